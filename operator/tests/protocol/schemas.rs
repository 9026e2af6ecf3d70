//! The generated JSON Schemas of frames, as they are in the repository.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use jsonschema::Validator;
use serde_json::{Value, json};

const CLIENT: &str = "protocol/schemas/client-frame.json";
const SERVER: &str = "protocol/schemas/server-frame.json";
const ASYNCAPI: &str = "protocol/asyncapi.yaml";

/// What clients send, and what gateways send.
pub(crate) struct Schemas {
    pub(crate) client: Schema,
    pub(crate) server: Schema,
}

/// One of them.
pub(crate) struct Schema {
    file: &'static str,
    text: Value,
    /// By type of frame, as generated, formats included.
    frames: BTreeMap<String, Validator>,
    /// By type of frame, without formats, and refusing fields that it does not know.
    strict: BTreeMap<String, Validator>,
}

impl Schemas {
    /// Reads them from the repository.
    pub(crate) fn read() -> Self {
        Self { client: Schema::read(CLIENT), server: Schema::read(SERVER) }
    }
}

/// The close codes of the AsyncAPI document.
pub(crate) fn close_codes() -> BTreeSet<u16> {
    let document: Value = serde_yaml::from_str(&read(ASYNCAPI)).expect(ASYNCAPI);
    let codes = document["channels"]["connection"]["x-close-codes"].as_object();
    let codes = codes.unwrap_or_else(|| panic!("{ASYNCAPI} has no close codes"));
    codes.keys().map(|code| code.parse().expect("a close code is a number")).collect()
}

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    fs::read_to_string(path).unwrap_or_else(|error| panic!("read {file}: {error}"))
}

impl Schema {
    fn read(file: &'static str) -> Self {
        let text: Value = serde_json::from_str(&read(file)).expect(file);
        let options = jsonschema::options().should_validate_formats(true);
        let frames = by_type(&text, |schema| options.build(schema).expect(file));
        let strict = |schema: &Value| jsonschema::validator_for(schema).expect(file);
        let strict = by_type(&closed(text.clone()), strict);
        Self { file, text, frames, strict }
    }

    /// Whether the frame is one.
    pub(crate) fn check(&self, frame: &Value) -> Result<(), String> {
        self.explain(&self.frames, frame)
    }

    /// Whether a documented frame is one, and has no other fields. Examples need not have their format.
    pub(crate) fn check_documented(&self, frame: &Value) -> Result<(), String> {
        self.explain(&self.strict, frame)
    }

    fn explain(
        &self,
        validators: &BTreeMap<String, Validator>,
        frame: &Value,
    ) -> Result<(), String> {
        let file = self.file;
        let validator = frame["type"].as_str().and_then(|kind| validators.get(kind));
        let validator =
            validator.ok_or_else(|| format!("{file} has no frame of this type: {frame}"))?;
        let errors = validator.iter_errors(frame);
        let errors: Vec<_> = errors
            .map(|error| format!("{error} (at {:?})", error.instance_path().as_str()))
            .collect();
        match errors.is_empty() {
            true => Ok(()),
            false => Err(format!("{file} refuses {frame}\n    {}", errors.join("\n    "))),
        }
    }

    /// The types of its frames.
    pub(crate) fn kinds(&self) -> BTreeSet<String> {
        self.frames.keys().cloned().collect()
    }

    /// The values of an enumeration of texts.
    pub(crate) fn values(&self, definition: &str) -> BTreeSet<String> {
        let values = self.text["$defs"][definition]["oneOf"].as_array().into_iter().flatten();
        values.filter_map(|value| value["const"].as_str()).map(ToOwned::to_owned).collect()
    }

    /// The field that is wrong where this one, such as `content.body`, is left out of a frame of this type;
    /// `None` if it may be. Of a choice with nothing chosen, that is the object around it, or the first of
    /// the choices.
    pub(crate) fn wrong_without(&self, kind: &str, path: &str) -> Option<String> {
        let mut variants = self.variants();
        let variant = variants.find(|variant| variant["properties"]["type"]["const"] == kind)?;
        let (parents, name) = path.rsplit_once('.').unwrap_or(("", path));
        let names = parents.split('.').filter(|name| !name.is_empty());
        let object = names
            .fold(self.object(variant), |object, name| self.object(&object["properties"][name]));
        if requires(object, name) {
            return Some(path.to_owned());
        }
        let choices = object["oneOf"].as_array()?;
        choices.iter().find(|choice| requires(choice, name))?;
        match parents {
            "" => choices[0]["required"][0].as_str().map(ToOwned::to_owned),
            parents => Some(parents.to_owned()),
        }
    }

    /// The names of all fields, also of objects in frames.
    pub(crate) fn fields(&self) -> BTreeSet<String> {
        let definitions = self.text["$defs"].as_object().into_iter().flatten();
        let objects = definitions.filter_map(|(_, one)| one["properties"].as_object());
        objects.flat_map(|properties| properties.keys().cloned()).collect()
    }

    fn variants(&self) -> impl Iterator<Item = &Value> {
        self.text["oneOf"].as_array().into_iter().flatten()
    }

    /// Follows references and optional values to the schema that is meant.
    fn object<'a>(&'a self, schema: &'a Value) -> &'a Value {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.trim_start_matches("#/$defs/");
            return self.object(&self.text["$defs"][name]);
        }
        match &schema["anyOf"] {
            Value::Array(choices) => self.object(&choices[0]),
            _ => schema,
        }
    }
}

fn requires(object: &Value, name: &str) -> bool {
    object["required"].as_array().is_some_and(|names| names.iter().any(|one| one == name))
}

/// A validator for each type of frame, so that what it says is about that type alone.
fn by_type(schema: &Value, build: impl Fn(&Value) -> Validator) -> BTreeMap<String, Validator> {
    let variants = schema["oneOf"].as_array().into_iter().flatten();
    let validator = |variant: &Value| {
        let kind = variant["properties"]["type"]["const"].as_str().expect("a frame has a type");
        let mut one = schema.clone();
        for (name, value) in variant.as_object().expect("a schema is an object") {
            one[name] = value.clone();
        }
        one.as_object_mut().expect("a schema is an object").shift_remove("oneOf");
        (kind.to_owned(), build(&one))
    };
    variants.map(validator).collect()
}

/// The schema with every object closed, and nothing `null`: the document leaves out what there is not. A frame's own definition is open, as its `type` is beside it.
fn closed(mut schema: Value) -> Value {
    let mut of_frames = BTreeSet::new();
    for variant in schema["oneOf"].as_array_mut().into_iter().flatten() {
        variant["unevaluatedProperties"] = json!(false);
        of_frames
            .extend(variant["$ref"].as_str().map(|r| r.trim_start_matches("#/$defs/").to_owned()));
    }
    for (name, definition) in schema["$defs"].as_object_mut().into_iter().flatten() {
        if definition.get("properties").is_some() && !of_frames.contains(name) {
            definition["additionalProperties"] = json!(false);
        }
        let properties = definition.get_mut("properties").and_then(Value::as_object_mut);
        for (_, property) in properties.into_iter().flatten() {
            if let Some(Value::Array(choices)) = property.get("anyOf") {
                *property = choices[0].clone();
            }
        }
    }
    schema
}
