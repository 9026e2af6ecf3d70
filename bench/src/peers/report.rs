//! The table of the servers.

use std::fmt;

use super::{CONNECTIONS, Idle, room::MEMBERS};
use crate::table::median;

/// One line for each server.
pub(crate) struct Report(pub(super) Vec<Row>);

/// What the rounds of a server showed.
pub(super) struct Row {
    pub(super) title: String,
    /// Why there is nothing to tell.
    pub(super) absent: Option<String>,
    pub(super) idle: Vec<Idle>,
    /// CPU seconds for each delivery, of each process of the server.
    pub(super) deliveries: Vec<Vec<f64>>,
}

impl Row {
    pub(super) fn new(title: String) -> Self {
        Self { title, absent: None, idle: Vec::new(), deliveries: Vec::new() }
    }

    /// Deliveries per CPU second; where several processes share the work, of the first one alone, too.
    fn deliveries(&self) -> String {
        let whole: Vec<f64> =
            self.deliveries.iter().map(|cost| 1e-3 / cost.iter().sum::<f64>()).collect();
        let shared = self.deliveries.iter().filter(|cost| cost.len() > 1);
        let first: Vec<f64> = shared.map(|cost| 1e-3 / cost[0]).collect();
        let alone = if first.is_empty() {
            String::new()
        } else {
            format!("; the gateway alone {:.0} k", median(&first))
        };
        format!("{}{alone}", cell(&whole, " k"))
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(reason) = &self.absent {
            let reason = reason.replace(['\n', '|'], " ");
            return writeln!(f, "| {} | {reason} | | |", self.title);
        }
        let of = |figure: fn(&Idle) -> f64| self.idle.iter().map(figure).collect::<Vec<_>>();
        writeln!(
            f,
            "| {} | {} | {} | {} |",
            self.title,
            cell(&of(|idle| idle.memory), " B"),
            cell(&of(|idle| idle.accept), " µs"),
            self.deliveries(),
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| server | idle memory for each of {CONNECTIONS} connections | server CPU to accept one | deliveries per server CPU second, room of {MEMBERS} |"
        )?;
        writeln!(f, "|---|---|---|---|")?;
        self.0.iter().try_for_each(|row| row.fmt(f))
    }
}

/// The median, and the rounds.
fn cell(rounds: &[f64], unit: &str) -> String {
    if rounds.is_empty() {
        return "–".into();
    }
    let each: Vec<_> = rounds.iter().map(|round| format!("{round:.0}")).collect();
    format!("**{:.0}**{unit} ({})", median(rounds), each.join(", "))
}
