//! Comparing a frame that came with a documented one: the same fields, no more and no less.

use serde_json::Value;

use crate::{
    bindings::Bindings,
    document::{Frame, at},
    elided,
};

/// Compares, and learns what the document's examples mean.
///
/// # Errors
/// Says where the document has the frame, what it shows, what came, and each difference.
pub(crate) fn matches(frame: &Frame, came: &Value, bindings: &mut Bindings) -> Result<(), String> {
    let mut comparison = Comparison { kind: frame.kind(), bindings, differences: Vec::new() };
    comparison.compare("", Some(&frame.said), &frame.whole, came);
    if comparison.differences.is_empty() {
        return Ok(());
    }
    let differences = comparison.differences.join("\n    ");
    let text = format!(
        "this frame came otherwise\n  documented: {}\n  came:       {came}\n    {differences}",
        frame.said
    );
    Err(at(frame.line, text))
}

struct Comparison<'a> {
    kind: &'a str,
    bindings: &'a mut Bindings,
    differences: Vec<String>,
}

impl Comparison<'_> {
    /// What was not said here (`…`) has the names and types that it has elsewhere.
    fn compare(&mut self, path: &str, said: Option<&Value>, whole: &Value, came: &Value) {
        match (whole, came) {
            (Value::Object(_), Value::Object(_)) => self.members(path, said, whole, came),
            (Value::Array(whole), Value::Array(came)) => self.items(path, said, whole, came),
            _ if same_type(whole, came) && said.is_none() => {}
            _ if said.is_none() || !same_type(whole, came) => {
                self.differ(path, format!("is documented as {whole}; {came} came"));
            }
            _ => {
                if let Err(difference) = self.bindings.compare(self.kind, path, whole, came) {
                    self.differ(path, difference);
                }
            }
        }
    }

    fn members(&mut self, path: &str, said: Option<&Value>, whole: &Value, came: &Value) {
        let (Value::Object(whole), Value::Object(came)) = (whole, came) else { return };
        let below = |name: &str| match path {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        };
        for (name, value) in whole {
            match came.get(name) {
                Some(came) => {
                    let said = said.and_then(|said| said.get(name));
                    self.compare(&below(name), said, value, came);
                }
                None => self.differ(&below(name), "is documented and did not come".into()),
            }
        }
        for name in came.keys().filter(|name| !whole.contains_key(*name)) {
            self.differ(&below(name), "came and is not documented".into());
        }
    }

    fn items(&mut self, path: &str, said: Option<&Value>, whole: &[Value], came: &[Value]) {
        let said = |index: usize| said.and_then(|said| said.get(index));
        // One that is left out stands for any number.
        let any = whole.len() == 1 && said(0).is_none_or(elided::leaves_out);
        if (any && came.is_empty()) || (!any && whole.len() != came.len()) {
            let text = format!("is documented with {}; {} came", whole.len(), came.len());
            return self.differ(path, text);
        }
        for (index, came) in came.iter().enumerate() {
            let index = index.min(whole.len() - 1);
            self.compare(&format!("{path}[{index}]"), said(index), &whole[index], came);
        }
    }

    fn differ(&mut self, path: &str, difference: String) {
        self.differences.push(format!("`{path}` {difference}"));
    }
}

fn same_type(one: &Value, other: &Value) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(other)
}
