//! Every field of every documented frame of a client: with a value of another type, and left out.

use serde_json::{Value, json};

use super::Mistakes;
use crate::{client::Client, document::By};

/// Breaks them, one after the other on the same connection, which stays open.
pub(crate) async fn check(mistakes: &Mistakes<'_>) -> Result<(), String> {
    let frames = mistakes.world.document.conversation.iter();
    let (hellos, others): (Vec<_>, Vec<_>) = frames
        .filter(|frame| frame.by == By::Client)
        .map(|frame| frame.whole.clone())
        .partition(|frame| frame["type"] == "hello");
    let mut client = mistakes.world.connect(1).await?;
    for hello in hellos {
        mistakes.broken(&mut client, &hello).await?;
    }
    // Where this comes last, none of the above has ended the connection.
    client.send(&mistakes.world.hello("fields", "phone")).await?;
    client.expect("welcome").await?;
    client.expect("caught_up").await?;
    for frame in others {
        mistakes.broken(&mut client, &frame).await?;
    }
    Ok(())
}

impl Mistakes<'_> {
    async fn broken(&self, client: &mut Client, frame: &Value) -> Result<(), String> {
        for path in paths(frame) {
            if path == ["type"] {
                continue;
            }
            let (name, kind) = (written(&path), frame["type"].as_str().unwrap_or_default());
            let mut wrong = frame.clone();
            let value = wrong.pointer_mut(&pointer(&path)).ok_or("the path is the frame's")?;
            *value = if value.is_boolean() { json!("") } else { json!(true) };
            client.send(&wrong).await?;
            self.refused(client, Some(&wrong), "bad_field", Some(&name)).await?;
            if let Some(wrong) = self.world.schemas.client.wrong_without(kind, &name) {
                let mut without = frame.clone();
                let (last, parent) = path.split_last().ok_or("a path has a name")?;
                let parent = without.pointer_mut(&pointer(parent)).and_then(Value::as_object_mut);
                parent.ok_or("a field is in an object")?.shift_remove(last);
                client.send(&without).await?;
                self.refused(client, Some(&without), "bad_field", Some(&wrong)).await?;
            }
        }
        Ok(())
    }
}

/// The paths of all values in a frame.
fn paths(value: &Value) -> Vec<Vec<String>> {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, v)| (name.clone(), v)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(i, v)| (i.to_string(), v)).collect(),
        _ => Vec::new(),
    };
    let below = |(name, child): (String, &Value)| {
        let deeper = paths(child).into_iter().map({
            let name = name.clone();
            move |path| std::iter::once(name.clone()).chain(path).collect()
        });
        std::iter::once(vec![name]).chain(deeper).collect::<Vec<_>>()
    };
    children.into_iter().flat_map(below).collect()
}

fn pointer(path: &[String]) -> String {
    path.iter().map(|name| format!("/{name}")).collect()
}

/// As the field of an error names it: `to.user`, `messages[0]`.
fn written(path: &[String]) -> String {
    let mut written = String::new();
    for name in path {
        match name.parse::<usize>() {
            Ok(index) => written.push_str(&format!("[{index}]")),
            Err(_) if written.is_empty() => written.push_str(name),
            Err(_) => written.push_str(&format!(".{name}")),
        }
    }
    written
}
