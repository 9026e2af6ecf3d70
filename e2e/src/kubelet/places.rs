//! Which pod goes to which node.

use std::{cell::RefCell, collections::BTreeSet};

/// How many pods each node has.
#[derive(Debug)]
pub(super) struct Places(RefCell<Vec<usize>>);

impl Places {
    pub(super) fn new(nodes: usize) -> Self {
        Self(RefCell::new(vec![0; nodes]))
    }

    /// A place on the wished node, else on one with the fewest pods; none if all nodes are lost.
    pub(super) fn take(&self, wish: Option<usize>, lost: &BTreeSet<usize>) -> Option<usize> {
        let mut pods = self.0.borrow_mut();
        let lives = |node: &usize| *node < pods.len() && !lost.contains(node);
        let emptiest = || (0..pods.len()).filter(lives).min_by_key(|node| pods[*node]);
        let node = wish.filter(lives).or_else(emptiest)?;
        pods[node] += 1;
        Some(node)
    }

    /// Gives the place back.
    pub(super) fn leave(&self, node: usize) {
        self.0.borrow_mut()[node] -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_granted_while_the_node_lives_and_others_spread() {
        let places = Places::new(3);
        let none = BTreeSet::new();
        assert_eq!(places.take(Some(2), &none), Some(2));
        assert_eq!(places.take(None, &none), Some(0));
        assert_eq!(places.take(None, &none), Some(1));
        places.leave(2);
        assert_eq!(places.take(None, &none), Some(2));
        assert_eq!(places.take(Some(2), &[0, 2].into()), Some(1));
        assert_eq!(places.take(Some(2), &[0, 1, 2].into()), None);
        assert_eq!(places.take(Some(7), &[0].into()), Some(2), "there is no such node");
    }
}
