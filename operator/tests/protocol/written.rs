//! The document against the generated schemas, without a server.

use std::collections::BTreeSet;

use crate::{
    document::{By, Document, FILE, at},
    mistakes::row,
    schemas::{Schemas, close_codes},
};

/// Everything in which they differ.
pub(crate) fn disagreements() -> Vec<String> {
    let (document, schemas) = (Document::read(), Schemas::read());
    let mut found = frames(&document, &schemas);
    let codes = row::errors(&document).into_iter().map(|row| row.code).collect();
    found.extend(difference("the codes of errors", &codes, &schemas.server.values("ErrorCode")));
    let closes = row::closes(&document);
    let codes = closes.iter().map(|row| row.code).collect();
    found.extend(difference("the close codes", &codes, &close_codes()));
    found.extend(closes.iter().filter_map(range));
    let fields = schemas.client.fields().into_iter().chain(schemas.server.fields());
    let untold = fields.filter(|field| !document.tells_of(field));
    found.extend(untold.map(|field| format!("{FILE} does not tell of the field `{field}`")));
    found
}

fn frames(document: &Document, schemas: &Schemas) -> Vec<String> {
    let mut found = Vec::new();
    let (mut client, mut server) = (BTreeSet::new(), BTreeSet::new());
    for frame in &document.conversation {
        let (schema, kinds) = match frame.by {
            By::Client => (&schemas.client, &mut client),
            By::Gateway => (&schemas.server, &mut server),
        };
        kinds.insert(frame.kind().to_owned());
        found.extend(schema.check_documented(&frame.whole).err().map(|e| at(frame.line, e)));
    }
    let (line, error) = document.inline_frame("Errors");
    found.extend(schemas.server.check_documented(&error).err().map(|e| at(line, e)));
    server.insert(error["type"].as_str().unwrap_or_default().to_owned());
    found.extend(difference("the frames of clients", &client, &schemas.client.kinds()));
    found.extend(difference("the frames of gateways", &server, &schemas.server.kinds()));
    found
}

fn difference<T: Ord + std::fmt::Debug>(
    what: &str,
    documented: &BTreeSet<T>,
    generated: &BTreeSet<T>,
) -> Option<String> {
    let missing: Vec<_> = generated.difference(documented).collect();
    let unknown: Vec<_> = documented.difference(generated).collect();
    let text = format!("{FILE}: {what} lack {missing:?}, and {unknown:?} are in no schema");
    (!missing.is_empty() || !unknown.is_empty()).then_some(text)
}

/// The range of a close code says what the client does next.
fn range(row: &row::CloseRow) -> Option<String> {
    let says = |words: &str| row.next.contains(words);
    let right = match row.code {
        4000..4100 => says("at once"),
        4100..4200 => says("with back-off"),
        _ => !says("at once") && !says("back-off"),
    };
    let text = format!("the range of {} does not say {:?}", row.code, row.next);
    (!right).then(|| at(row.line, text))
}
