//! What happened, as lines for people. Nothing is formatted unless somebody wants to read it.

use std::fmt::Arguments;

use crate::clock::{MS, S, Time};

/// The lines, if they are kept.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    pub(crate) kept: bool,
    pub(crate) lines: Vec<String>,
}

impl Trace {
    pub(crate) fn line(&mut self, now: Time, who: &str, what: Arguments<'_>) {
        if self.kept {
            let (seconds, millis) = (now / S, now % S / MS);
            self.lines.push(format!("{seconds:>4}.{millis:03}{:03} {who:<10} {what}", now % MS));
        }
    }
}

/// Adds a line to a world's trace.
macro_rules! trace {
    ($world:expr, $who:expr, $($what:tt)*) => {
        if $world.trace.kept {
            let who = $who.to_string();
            $world.trace.line($world.now, &who, format_args!($($what)*));
        }
    };
}

pub(crate) use trace;
