//! P5 in worlds in which little goes wrong: what is stored reaches those who are connected soon, and does
//! not wait for a probe of minutes.

use crate::{
    clock::{S, Time},
    coverage::hit,
    world::World,
};

/// How often this is looked at.
const EVERY: Time = S;

impl World {
    /// What was stored so long ago is on every device that has been connected since.
    pub(crate) fn check_prompt(&mut self, within: Time) {
        self.at(self.now + EVERY, move |world| world.check_prompt(within));
        let until = self.now.saturating_sub(within);
        // What is older has been looked at, unless the device came later.
        let lately = |at: Time| at + 2 * EVERY > until;
        let oracle = &self.oracle;
        let stored_at = |number: &usize| oracle.messages[*number].stored.unwrap_or(Time::MAX);
        let by_then = oracle.stored.partition_point(|number| stored_at(number) <= until);
        let before = oracle.stored.partition_point(|number| !lately(stored_at(number)));
        for client in &self.clients {
            let welcomed = client.link.as_ref().and_then(|link| link.welcomed_at);
            // One that did not read begins anew.
            let welcomed = welcomed.map(|at| at.max(client.reads_from));
            let Some(welcomed) = welcomed.filter(|at| *at <= until) else { continue };
            let first = if lately(welcomed) { 0 } else { before };
            let late = oracle.stored[first..by_then.max(first)].iter().find(|number| {
                let message = &oracle.messages[**number];
                message.owed.contains(&client.home) && !client.shown.contains_key(&message.identity)
            });
            if let Some(number) = late {
                let what =
                    format!("m{number} does not reach {:?}, which is connected", client.home);
                return self.violated("P5", what);
            }
        }
        hit("nothing waits");
    }
}
