//! Doing what the document says is wrong, and holding the answer against its tables.
//!
//! A wrong frame is a documented one in which one thing is broken. Each row of the tables is provoked, or has
//! its excuse here.

mod door;
mod errors;
mod fields;
mod limits;
pub(crate) mod row;
mod services;

use std::{cell::RefCell, collections::BTreeSet};

use futures_util::{FutureExt, future::join_all};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::{
    client::{Came, Client},
    document::{FILE, at},
    world::World,
};
use row::{CloseRow, ErrorRow};

/// Errors that no test can provoke, and why.
const ERRORS: [(&str, &str); 1] =
    [("overloaded", "100,000 users have to be watched; gateway-core tests it")];

/// Limits that no test can break, and why.
const LIMITS: [(&str, &str); 1] =
    [("refresh without an answer", "it is answered before the next frame is read")];

/// Close codes that no test can provoke within seconds, and why.
const CLOSE_CODES: [(u16, &str); 5] = [
    (4001, "a lease has to lapse while the device moves; gateway-core tests it"),
    (4100, "said at the door"),
    (4101, "the client gets no close frame"),
    (4102, "the client gets no close frame"),
    (4104, "a backend asks for it; the tests of the gateway do"),
];

/// HTTP statuses that no test here can provoke, and why.
const STATUSES: [(u16, &str); 1] = [(
    429,
    "addresses are not limited by default, and all tests here have one; gateway/tests does",
)];

/// Makes all mistakes, and returns what was not answered as documented.
pub(crate) async fn make_all(world: &World) -> Vec<String> {
    let mistakes = Mistakes::new(world);
    let limits = world.document.table("Limits");
    let limits = limits.iter().map(|row| limits::check(&mistakes, row).boxed_local());
    let others = [fields::check(&mistakes).boxed_local(), door::check(&mistakes).boxed_local()];
    let all = limits.chain(others).chain(errors::checks(&mistakes));
    let mut results: Vec<_> = join_all(all).await;
    // What the others need goes away.
    results.push(services::message_service_dies(&mistakes).await);
    results.push(services::gateway_stops(&mistakes).await);
    let mut findings: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    let missing = mistakes.missing(&findings);
    findings.extend(missing);
    findings
}

struct Mistakes<'a> {
    world: &'a World,
    errors: Vec<ErrorRow>,
    closes: Vec<CloseRow>,
    /// The error that the document shows.
    example: Value,
    /// What has been answered as documented.
    provoked: RefCell<BTreeSet<String>>,
    closed: RefCell<BTreeSet<u16>>,
    refused: RefCell<BTreeSet<u16>>,
    /// Held by who lets the message service pause.
    pause: Mutex<()>,
}

impl<'a> Mistakes<'a> {
    fn new(world: &'a World) -> Self {
        let (errors, closes) = (row::errors(&world.document), row::closes(&world.document));
        let (_, example) = world.document.inline_frame("Errors");
        let (provoked, closed, refused, pause) = Default::default();
        Self { world, errors, closes, example, provoked, closed, refused, pause }
    }

    /// A documented frame of a client.
    fn request(&self, kind: &str) -> Value {
        self.world.document.request(kind)
    }

    /// The next thing that comes is this error, as its row says. `request` is what it answers, if that was
    /// a frame.
    async fn refused(
        &self,
        client: &mut Client,
        request: Option<&Value>,
        code: &str,
        field: Option<&str>,
    ) -> Result<(), String> {
        let row = self.errors.iter().find(|row| row.code == code);
        let row = row.ok_or_else(|| format!("{FILE}: the table of errors lacks `{code}`"))?;
        let after = |error: String| {
            let sent =
                request.map_or_else(String::new, |frame| format!("\n  sent: {}", short(frame)));
            at(row.line, format!("`{code}`: {error}{sent}"))
        };
        let came = client.next().await.map_err(after)?;
        let Came::Frame(error) = &came else {
            return Err(after(format!("the answer is {came}")));
        };
        let kind = request.map_or("hello", |request| request["type"].as_str().unwrap_or_default());
        let close = row.close(kind);
        let wanted = Wanted { row, request, field, ends: close.is_some() };
        wanted.compare(&self.example, error).map_err(after)?;
        match close {
            Some(close) => self.ends(client, close).await.map_err(after)?,
            // Before its welcome a client must not send a ping.
            None if kind == "hello" => {}
            None => self.alive(client).await.map_err(after)?,
        }
        self.provoked.borrow_mut().insert(code.to_owned());
        Ok(())
    }

    /// The connection ends with this close code.
    async fn ends(&self, client: &mut Client, close: u16) -> Result<(), String> {
        client.expect_end(close).await?;
        self.closed.borrow_mut().insert(close);
        Ok(())
    }

    /// The older connection of a device ends, which it does when the newer one answers a WebSocket ping.
    async fn replaced(&self, older: &mut Client, newer: &mut Client) -> Result<(), String> {
        let reading = async {
            loop {
                newer.read().await?;
            }
        };
        tokio::select! {
            ended = self.ends(older, 4204) => ended,
            failed = reading => failed,
        }
    }

    /// The session goes on, and nothing else has come.
    async fn alive(&self, client: &mut Client) -> Result<(), String> {
        client.send(&self.request("ping")).await?;
        client.expect("pong").await.map(drop)
    }

    /// Sends a request, which is taken: its answer, or for an `ack` nothing.
    async fn taken(&self, client: &mut Client, request: &Value) -> Result<Value, String> {
        client.send(request).await?;
        if request["type"] == "ack" {
            let taken = self.alive(client).await.map(|()| Value::Null);
            return taken.map_err(|error| format!("{error}\n  sent: {}", short(request)));
        }
        match client.next().await? {
            Came::Frame(answer) if answer["type"] != "error" && answer["id"] == request["id"] => {
                Ok(answer)
            }
            other => Err(format!("the answer is {other}\n  sent: {}", short(request))),
        }
    }

    /// What the tables have and nobody has provoked, or come upon another finding while they tried.
    fn missing(&self, findings: &[String]) -> Vec<String> {
        let (provoked, closed) = (self.provoked.borrow(), self.closed.borrow());
        let excused = |code: &str| ERRORS.iter().any(|(excused, _)| *excused == code);
        let errors = self.errors.iter().filter(|row| !provoked.contains(&row.code));
        let errors = errors.filter(|row| !excused(&row.code));
        let errors = errors.map(|row| (row.line, format!("`{}`", row.code)));

        let excused = |code: u16| CLOSE_CODES.iter().any(|(excused, _)| *excused == code);
        let closes = self.closes.iter().filter(|row| !closed.contains(&row.code));
        let closes = closes.filter(|row| !excused(row.code));
        let closes = closes.map(|row| (row.line, format!("close {}", row.code)));

        let statuses = row::statuses(&self.world.document).into_iter();
        let excused = |status| STATUSES.iter().any(|(excused, _)| *excused == status);
        let statuses = statuses.filter(|(_, status)| !excused(*status));
        let statuses = statuses.filter(|(_, status)| !self.refused.borrow().contains(status));
        let statuses = statuses.map(|(line, status)| (line, format!("HTTP {status}")));

        let missing = errors.chain(closes).chain(statuses);
        let missing =
            missing.filter(|(_, what)| !findings.iter().any(|found| found.contains(what)));
        let missing = missing.map(|(line, what)| {
            at(line, format!("nothing provokes {what}: do so, or say why not, in {}", file!()))
        });
        let documented: BTreeSet<_> = self.closes.iter().map(|row| row.code).collect();
        let others = closed.iter().filter(|code| **code >= 4000 && !documented.contains(code));
        let others = others.map(|code| format!("{FILE}: the close codes lack {code}, which came"));
        missing.chain(others).collect()
    }
}

/// The beginning of a frame.
fn short(frame: &Value) -> String {
    const SHOWN: usize = 300;
    let text = frame.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// An error that is to come.
struct Wanted<'a> {
    row: &'a ErrorRow,
    request: Option<&'a Value>,
    field: Option<&'a str>,
    /// Whether the connection ends with it.
    ends: bool,
}

impl Wanted<'_> {
    fn compare(&self, example: &Value, error: &Value) -> Result<(), String> {
        let fail = |text: String| Err(format!("{text}\n  came: {error}"));
        if error["type"] != example["type"] || error["code"] != self.row.code {
            return fail("another answer came".into());
        }
        if error["temporary"] != self.row.temporary {
            return fail(format!("`temporary` is documented as {}", self.row.temporary));
        }
        let (Value::Object(example), Value::Object(members)) = (example, error) else {
            return fail("the answer is no object".into());
        };
        for name in example.keys() {
            let wanted = self.wants(name);
            let came = members.get(name);
            let right = match &wanted {
                Member::Some => came.is_some(),
                Member::Is(value) => came == Some(value),
                Member::MayBe(value) => came.is_none_or(|came| came == value),
                Member::None => came.is_none(),
            };
            if !right {
                return fail(format!("`{name}` is to be {wanted}"));
            }
        }
        let known = |name: &str| example.contains_key(name) || name == "retry_after";
        match members.keys().find(|name| !known(name)) {
            Some(name) => fail(format!("`{name}` is not documented")),
            None => Ok(()),
        }
    }

    /// What the document says of a member of errors.
    fn wants(&self, name: &str) -> Member {
        let broken = |name: &str| self.field == Some(name);
        match name {
            "id" | "ref" if !broken(name) => match self.request.and_then(|frame| frame.get(name)) {
                Some(value) if self.ends => Member::MayBe(value.clone()),
                Some(value) => Member::Is(value.clone()),
                None => Member::None,
            },
            "id" | "ref" => Member::None,
            "field" => self.field.map_or(Member::None, |field| Member::Is(field.into())),
            _ => Member::Some,
        }
    }
}

enum Member {
    Some,
    Is(Value),
    MayBe(Value),
    None,
}

impl std::fmt::Display for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Some => f.write_str("there"),
            Self::Is(value) => write!(f, "{value}"),
            Self::MayBe(value) => write!(f, "{value} or absent"),
            Self::None => f.write_str("absent"),
        }
    }
}
