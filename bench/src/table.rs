//! The table of results.

use std::fmt;

/// Stands where there is nothing.
const NONE: &str = "–";

/// Whether a higher ratio is better or a lower one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Better {
    Lower,
    Higher,
}

/// One figure.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) what: String,
    /// What the floor measured, with its unit (median of the rounds); `None` where the figure itself is
    /// judged.
    pub(crate) floor: Option<String>,
    /// What the product measured, with its unit (median of the rounds).
    pub(crate) measured: String,
    /// Each round's ratio to the floor, or its figure where there is none.
    pub(crate) rounds: Vec<f64>,
    pub(crate) better: Better,
    /// `None` where the figure explains another row.
    pub(crate) goal: Option<Goal>,
}

/// What a row is to reach.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Goal {
    goal: f64,
    stretch: f64,
    must: bool,
}

impl Goal {
    /// Missing it fails the run.
    pub(crate) const fn must(goal: f64, stretch: f64) -> Self {
        Self { goal, stretch, must: true }
    }

    /// Missing it is reported.
    pub(crate) const fn reported(goal: f64, stretch: f64) -> Self {
        Self { goal, stretch, must: false }
    }
}

impl Row {
    fn reaches(&self, mark: f64) -> bool {
        match self.better {
            Better::Lower => median(&self.rounds) <= mark,
            Better::Higher => median(&self.rounds) >= mark,
        }
    }

    fn verdict(&self) -> &'static str {
        match self.goal {
            None => NONE,
            Some(goal) if self.reaches(goal.stretch) => "stretch",
            Some(goal) if self.reaches(goal.goal) => "goal",
            Some(_) => "missed",
        }
    }

    fn fails(&self) -> bool {
        self.goal.is_some_and(|goal| goal.must && !self.reaches(goal.goal))
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounds: Vec<_> = self.rounds.iter().map(|value| short(*value)).collect();
        let mark = |of: fn(&Goal) -> f64| {
            self.goal.as_ref().map_or(NONE.into(), |goal| of(goal).to_string())
        };
        write!(
            f,
            "| {} | {} | {} | **{}** ({}) | {} | {} | {} |",
            self.what,
            self.floor.as_deref().unwrap_or(NONE),
            self.measured,
            short(median(&self.rounds)),
            rounds.join(", "),
            mark(|goal| goal.goal),
            mark(|goal| goal.stretch),
            self.verdict(),
        )
    }
}

/// All figures of a run.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<Row>);

impl Table {
    pub(crate) fn add(&mut self, row: Row) {
        self.0.push(row);
    }

    pub(crate) fn goals_met(&self) -> bool {
        self.0.iter().all(|row| !row.fails())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| what | floor | measured | ratio, or figure (rounds) | goal | stretch | reached |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|")?;
        for row in &self.0 {
            writeln!(f, "{row}")?;
        }
        Ok(())
    }
}

/// Three digits, as far as they are behind the point.
fn short(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// The middle value; 0 of none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}
