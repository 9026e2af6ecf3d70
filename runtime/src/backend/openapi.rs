//! Pieces of an OpenAPI 3.1 document. Its schemas are JSON Schema, made from the types that are read and
//! answered.

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Value, json};

use super::Problem;

/// A document with these paths.
pub fn document(
    title: &str,
    about: &str,
    paths: impl FnOnce(&mut SchemaGenerator) -> Value,
) -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut schemas = settings.into_generator();
    let paths = paths(&mut schemas);
    let schemas = schemas.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": { "title": title, "version": "1.0.0", "description": about },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "service_token": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" },
            },
        },
        "security": [{ "service_token": [] }],
    })
}

/// What every operation may answer.
pub fn errors(schemas: &mut SchemaGenerator) -> Value {
    let mut responses = json!({});
    for (status, text) in [
        ("400", "A parameter is unknown or wrong; `field` names it."),
        ("401", "There is no valid service token."),
        ("403", "The service token's scope lacks what this needs."),
        ("500", "A record cannot be read."),
        ("503", "The service cannot answer now. Try again."),
    ] {
        responses[status] = problem(schemas, text);
    }
    responses
}

/// An error.
pub fn problem(schemas: &mut SchemaGenerator, text: &str) -> Value {
    answer::<Problem>(schemas, "application/problem+json", text)
}

/// An answer of this type.
pub fn answer<T: JsonSchema>(schemas: &mut SchemaGenerator, media: &str, text: &str) -> Value {
    let schema = schemas.subschema_for::<T>();
    json!({ "description": text, "content": { media: { "schema": schema } } })
}

/// The body of a request, of this type.
pub fn body<T: JsonSchema>(schemas: &mut SchemaGenerator, required: bool) -> Value {
    let schema = schemas.subschema_for::<T>();
    json!({ "required": required, "content": { "application/json": { "schema": schema } } })
}

/// A parameter in the query string.
pub fn query<T: JsonSchema>(schemas: &mut SchemaGenerator, name: &str, text: &str) -> Value {
    let schema = schemas.subschema_for::<T>();
    parameter(name, "query", text, &schema)
}

/// A parameter in the path.
pub fn path<T: JsonSchema>(schemas: &mut SchemaGenerator, name: &str, text: &str) -> Value {
    let schema = schemas.subschema_for::<T>();
    parameter(name, "path", text, &schema)
}

/// A parameter.
pub fn parameter(name: &str, place: &str, text: &str, schema: impl serde::Serialize) -> Value {
    let required = place == "path";
    json!({ "name": name, "in": place, "required": required, "description": text, "schema": schema })
}
