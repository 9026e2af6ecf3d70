//! P5 where gateways, storage and manager do their work: what is stored reaches those who are connected
//! at once, and does not wait for a probe.

use crate::{
    clock::{S, Time},
    coverage::hit,
    world::World,
};

/// How long a message may be on its way: as long as the probes of those without a claim take. Other
/// probes come after minutes.
const WITHIN: Time = 20 * S;

/// A claim that is carried out twice hides whom it displaced; its session is probed for that until it
/// looks at its route. A device that moves on before leaves the other connection to its heartbeat.
const RESTLESS: Time = 60 * S;

/// How often this is looked at.
const EVERY: Time = S;

impl World {
    /// In a gentle world, what was stored a while ago is on every device that has been connected since.
    pub(crate) fn check_prompt(&mut self) {
        self.at(self.now + EVERY, Self::check_prompt);
        let until = self.now.saturating_sub(WITHIN);
        // What is older has been looked at, unless the device came later.
        let lately = |at: Time| at + 2 * EVERY > until;
        for client in &self.clients {
            let welcomed = client.link.as_ref().and_then(|link| link.welcomed_at);
            let restless = |at: Time| at + RESTLESS > self.now;
            if client.welcomes[2].is_some_and(restless) {
                continue;
            }
            // One that did not read begins anew.
            let welcomed = welcomed.map(|at| at.max(client.reads_from));
            let Some(welcomed) = welcomed.filter(|at| *at <= until) else { continue };
            let late = self.oracle.messages.iter().enumerate().find(|(number, message)| {
                message.stored.is_some_and(|at| at <= until && (lately(at) || lately(welcomed)))
                    && message.owed.contains(&client.home)
                    && !client.shown.contains_key(&self.oracle.identity(*number))
            });
            if let Some((number, _)) = late {
                let what =
                    format!("m{number} does not reach {:?}, which is connected", client.home);
                return self.violated("P5", what);
            }
        }
        hit("gentle world");
    }
}
