//! The table of results.

use std::fmt;

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
    /// What the floor measured, with its unit (median of the rounds).
    pub(crate) floor: String,
    /// What the product measured, with its unit (median of the rounds).
    pub(crate) measured: String,
    /// One ratio for each round.
    pub(crate) ratios: Vec<f64>,
    pub(crate) better: Better,
    pub(crate) goal: f64,
    pub(crate) stretch: f64,
    /// A missed goal fails the run; the others are reported.
    pub(crate) must: bool,
}

impl Row {
    fn ratio(&self) -> f64 {
        median(&self.ratios)
    }

    fn verdict(&self) -> &'static str {
        let reaches = |mark: f64| match self.better {
            Better::Lower => self.ratio() <= mark,
            Better::Higher => self.ratio() >= mark,
        };
        match (reaches(self.goal), reaches(self.stretch)) {
            (_, true) => "stretch",
            (true, _) => "goal",
            _ => "missed",
        }
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
        self.0.iter().all(|row| !row.must || row.verdict() != "missed")
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| what | floor | measured | ratio (rounds) | goal | stretch | reached |")?;
        writeln!(f, "|---|---|---|---|---|---|---|")?;
        for row in &self.0 {
            let rounds: Vec<_> = row.ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
            writeln!(
                f,
                "| {} | {} | {} | **{:.2}** ({}) | {} | {} | {} |",
                row.what,
                row.floor,
                row.measured,
                row.ratio(),
                rounds.join(", "),
                row.goal,
                row.stretch,
                row.verdict(),
            )?;
        }
        Ok(())
    }
}

/// The middle value; 0 of none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}
