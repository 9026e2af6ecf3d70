//! Which processes run, which pause, and which life of each it is.

use std::collections::BTreeMap;

use crate::{network::Node, queue::Happening};

/// All processes.
#[derive(Default)]
pub(crate) struct Processes(BTreeMap<Node, Process>);

#[derive(Default)]
struct Process {
    up: bool,
    life: u64,
    paused: bool,
    /// What has come during the pause.
    backlog: Vec<(u64, Happening)>,
}

impl Processes {
    /// A node begins another life.
    pub(crate) fn start(&mut self, node: Node) {
        let process = self.0.entry(node).or_default();
        process.up = true;
        process.life += 1;
    }

    /// A node dies.
    pub(crate) fn stop(&mut self, node: Node) {
        let process = self.0.entry(node).or_default();
        *process = Process { life: process.life + 1, ..Process::default() };
    }

    pub(crate) fn is_up(&self, node: Node) -> bool {
        self.0.get(&node).is_some_and(|process| process.up)
    }

    pub(crate) fn life(&self, node: Node) -> u64 {
        self.0.get(&node).map_or(0, |process| process.life)
    }

    pub(crate) fn pause(&mut self, node: Node) {
        if let Some(process) = self.0.get_mut(&node) {
            process.paused = process.up;
        }
    }

    /// What has come since it paused.
    pub(crate) fn resume(&mut self, node: Node) -> Vec<(u64, Happening)> {
        let Some(process) = self.0.get_mut(&node) else { return Vec::new() };
        process.paused = false;
        std::mem::take(&mut process.backlog)
    }

    /// Gives back what is to happen now.
    pub(crate) fn take_in(&mut self, node: Node, life: u64, what: Happening) -> Option<Happening> {
        let process = self.0.get_mut(&node).filter(|process| process.up && process.life == life)?;
        if process.paused {
            process.backlog.push((life, what));
            return None;
        }
        Some(what)
    }
}
