//! Which processes run, which pause, and which life of each it is.

use crate::{network::Node, queue::Happening};

/// All processes: of each kind, by number.
#[derive(Default)]
pub(crate) struct Processes([Vec<Process>; 5]);

#[derive(Default)]
struct Process {
    up: bool,
    life: u64,
    paused: bool,
    /// What has come during the pause.
    backlog: Vec<(u64, Happening)>,
}

/// The kind of a node, and its number.
fn place(node: Node) -> (usize, usize) {
    match node {
        Node::Gateway(n) => (0, n),
        Node::Pod(n) => (1, n),
        Node::Replica(n) => (2, n),
        Node::Manager => (3, 0),
        Node::Device(n) => (4, n),
    }
}

impl Processes {
    fn get(&self, node: Node) -> Option<&Process> {
        let (kind, number) = place(node);
        self.0[kind].get(number)
    }

    fn get_mut(&mut self, node: Node) -> Option<&mut Process> {
        let (kind, number) = place(node);
        self.0[kind].get_mut(number)
    }

    fn entry(&mut self, node: Node) -> &mut Process {
        let (kind, number) = place(node);
        let of_kind = &mut self.0[kind];
        of_kind.resize_with(of_kind.len().max(number + 1), Process::default);
        &mut of_kind[number]
    }

    /// A node begins another life.
    pub(crate) fn start(&mut self, node: Node) {
        let process = self.entry(node);
        process.up = true;
        process.life += 1;
    }

    /// A node dies.
    pub(crate) fn stop(&mut self, node: Node) {
        let process = self.entry(node);
        *process = Process { life: process.life + 1, ..Process::default() };
    }

    pub(crate) fn is_up(&self, node: Node) -> bool {
        self.get(node).is_some_and(|process| process.up)
    }

    pub(crate) fn life(&self, node: Node) -> u64 {
        self.get(node).map_or(0, |process| process.life)
    }

    pub(crate) fn pause(&mut self, node: Node) {
        if let Some(process) = self.get_mut(node) {
            process.paused = process.up;
        }
    }

    /// What has come since it paused.
    pub(crate) fn resume(&mut self, node: Node) -> Vec<(u64, Happening)> {
        let Some(process) = self.get_mut(node) else { return Vec::new() };
        process.paused = false;
        std::mem::take(&mut process.backlog)
    }

    /// Gives back what is to happen now.
    pub(crate) fn take_in(&mut self, node: Node, life: u64, what: Happening) -> Option<Happening> {
        let process = self.get_mut(node).filter(|process| process.up && process.life == life)?;
        if process.paused {
            process.backlog.push((life, what));
            return None;
        }
        Some(what)
    }
}
