//! What must be true once all is healed.

use chatcluster_manager::Manager;
use chatcluster_protocol::{
    Millis,
    client::Recipient,
    id::{ConversationId, MessageId},
};
use futures_util::FutureExt;
use gateway_core::session::Phase;

use crate::{
    client::{Client, sending::kind_of},
    clock::{S, Time},
    coverage::hit,
    world::{CALM, World},
};

/// How long a device is connected until its route has to be there all the time, and how long before it must
/// not have opened another connection.
const UNMOVED: Time = 5 * S;
const ALONE: Time = 10 * S;

impl World {
    /// P7: each device that is connected has its route, whatever the manager has lost.
    pub(crate) fn check_routes(&mut self) {
        let lacking = |client: &Client| self.route_lacks(client);
        if let Some(what) = self.clients.iter().find_map(lacking) {
            self.violated("P7", what);
        }
    }

    /// P7 in gentle worlds, again and again: so does each that has been connected for a while, and had not
    /// opened another connection shortly before, whose claim may be carried out later.
    pub(crate) fn check_unmoved(&mut self) {
        self.at(self.now + S, Self::check_unmoved);
        let unmoved = |client: &&Client| {
            let link = client.link.as_ref();
            let since = link.and_then(|link| link.welcomed_at.map(|at| (link.since, at)));
            since.is_some_and(|(since, welcomed)| {
                client.dialed_before + ALONE <= since && welcomed + UNMOVED <= self.now
            })
        };
        let mut clients = self.clients.iter().filter(unmoved);
        if let Some(what) = clients.find_map(|client| self.route_lacks(client)) {
            return self.violated("P7", what);
        }
        hit("routes stay");
    }

    /// What is wrong with the route of a device that is connected.
    fn route_lacks(&self, client: &Client) -> Option<String> {
        let link = client.link.as_ref().filter(|link| link.is_welcomed())?;
        let gateway = &self.gateways[link.gateway];
        // One that ends at this moment has given its route up, and its client does not know yet.
        let open = |phase| phase != Phase::Closing;
        let mut cells =
            gateway.cells.iter().filter(|(_, cell)| cell.listed && open(cell.session.phase()));
        let (connection, _) = cells.find(|(_, cell)| cell.stream == link.stream)?;
        let users = std::slice::from_ref(&client.home.user);
        let routes = self.manager_now().routes(users).now_or_never()?.ok()?;
        let route = routes[0].iter().find(|(name, _)| *name == client.home.device);
        let right = route.is_some_and(|(_, route)| {
            route.incarnation.0 == gateway.present().0 && route.connection == connection.0
        });
        let (home, route) = (&client.home, route.map(|(_, route)| route));
        (!right).then(|| {
            let at = link.gateway;
            format!(
                "{home:?} is connected to gateway-{at} as {connection:?}, its route is {route:?}"
            )
        })
    }

    /// Everybody writes to somebody.
    pub(crate) fn send_fresh(&mut self) {
        for device in 0..self.clients.len() {
            let to = (self.clients[device].user + 1) % self.shape.users.len();
            let number = self.write_message(device, to);
            self.oracle.fresh.push(number);
        }
    }

    /// P5: where nothing goes wrong, messages arrive at once.
    pub(crate) fn check_fresh(&mut self) {
        for number in self.oracle.fresh.clone() {
            if let Some(what) = self.missing(number) {
                return self.violated("P5", format!("{what}, although all was healed before"));
            }
        }
        if let Some(what) = self.acknowledged_stays() {
            self.violated("rule 19", what);
        }
    }

    /// What a device acknowledged has left its inbox, without waiting for a probe.
    fn acknowledged_stays(&self) -> Option<String> {
        let calm = self.now.saturating_sub(CALM);
        let settled = |client: &Client| {
            let welcomed = client.link.as_ref().and_then(|link| link.welcomed_at);
            welcomed.is_some_and(|at| at < calm)
        };
        self.clients.iter().enumerate().filter(|(_, client)| settled(client)).find_map(
            |(at, one)| {
                let mut waiting = self.inbox_of(&one.home).into_iter();
                let id = waiting.find(|id| self.oracle.is_to_have_left(at, &one.home, *id))?;
                Some(format!("{id} is in the inbox of {:?}, which has acknowledged it", one.home))
            },
        )
    }

    /// Where a message has not arrived that was told to be sent.
    fn missing(&self, number: usize) -> Option<String> {
        let message = &self.oracle.messages[number];
        message.id?;
        let identity = self.oracle.identity(number);
        let lacks = |client: &&Client| !client.shown.contains_key(&identity);
        let mut owed = self.clients.iter().filter(|client| message.owed.contains(&client.home));
        let lacking = owed.find(|client| !self.may_return(client) && lacks(client))?;
        Some(format!("m{number} has not reached {:?}", lacking.home))
    }

    /// Nothing is under way.
    pub(crate) fn is_settled(&self) -> bool {
        let looked = |client: &Client| {
            client.look.as_ref().is_none_or(|look| look.complete >= self.stable())
        };
        let quiet = |client: &Client| {
            client.outbox.is_empty()
                && self.left_waiting(client).is_empty()
                && (client.lost || looked(client))
        };
        // A receipt that the replicas placed in different orders waits for a probe.
        let idle = self.gateways.iter().all(|gateway| gateway.pending() == 0);
        idle && self.fan_outs().is_empty()
            && self.oracle.orders == 0
            && self.half_removed() == 0
            && self.clients.iter().all(quiet)
            && self.receipts_lack().is_none()
            && self.marks_lack().is_none()
            && self.counts_lack().is_none()
            && self.all_vote()
            && self.are_alike()
    }

    /// What waits for a device.
    fn left_waiting(&self, client: &Client) -> Vec<MessageId> {
        let back = self.may_return(client) && self.is_registered(&client.home);
        if back { Vec::new() } else { self.inbox_of(&client.home) }
    }

    /// Up to when histories have to be complete: the fresh messages included.
    pub(crate) fn stable(&self) -> Millis {
        self.oracle.latest + 1
    }

    /// The end: everything has arrived, once, in order, and nothing waits.
    pub(crate) fn check_everything(&mut self) {
        if let Some(what) = self.anything_wrong() {
            let (promise, what) = what;
            self.violated(promise, what);
        }
    }

    fn anything_wrong(&self) -> Option<(&'static str, String)> {
        if let Some(what) = self.unlike() {
            return Some(("repair", what));
        }
        if !self.all_vote() {
            return Some(("repair", "a replica that was emptied does not vote again".into()));
        }
        for number in 0..self.oracle.messages.len() {
            if let Some(what) = self.missing(number) {
                return Some(("P1", what));
            }
        }
        for client in &self.clients {
            if let Some(draft) = client.outbox.front() {
                let what = format!("{} of {:?} has no answer", draft.reference, client.home);
                return Some(("P1", what));
            }
            let waiting = self.left_waiting(client);
            if let Some(id) = waiting.first() {
                let count = waiting.len();
                let what = format!("{id} and {} more wait for {:?}", count - 1, client.home);
                return Some(("P5", what));
            }
            if let Some(what) = self.out_of_order(client).or(self.history_lacks(client)) {
                return Some(what);
            }
        }
        if self.oracle.orders > 0 {
            let what = format!("backends ask {} times in vain", self.oracle.orders);
            return Some(("removal", what));
        }
        if self.half_removed() > 0 {
            return Some(("removal", format!("{} are half done", self.half_removed())));
        }
        if let Some(what) = self.stays(self.now.saturating_sub(CALM)) {
            return Some(("revocation", what));
        }
        if let Some(id) = self.fan_outs().first() {
            return Some(("rule 11", format!("the fan-out of {id} is still pending")));
        }
        for (at, gateway) in self.gateways.iter().enumerate() {
            if gateway.pending() > 0 {
                let what = format!("gateway-{at} still has {} deliveries", gateway.pending());
                return Some(("P6", what));
            }
        }
        self.receipts_lack().or_else(|| self.marks_lack()).or_else(|| self.counts_lack())
    }

    /// A device shows what each other device wrote in a conversation in the order written.
    fn out_of_order(&self, client: &Client) -> Option<(&'static str, String)> {
        for ((_, _), order) in &self.oracle.order {
            let shown = |number: &usize| {
                let id = client.shown.get(&self.oracle.identity(*number))?;
                // A replica that had missed it took the repeat as new, for a device that came in between.
                let message = &self.oracle.messages[*number];
                let copy = message.id.is_some_and(|told| told != *id) && self.replicas.len() > 1;
                (!copy && !message.refused).then_some((*number, *id))
            };
            let shown: Vec<_> = order.iter().filter_map(shown).collect();
            if let Some(pair) = shown.windows(2).find(|pair| pair[0].1 >= pair[1].1) {
                let what = format!(
                    "{:?} shows m{} as {} and m{} as {}",
                    client.home, pair[0].0, pair[0].1, pair[1].0, pair[1].1
                );
                return Some(("P3", what));
            }
        }
        None
    }

    /// Going forward by pages, a device has seen all that was said up to when it must be complete.
    fn history_lacks(&self, client: &Client) -> Option<(&'static str, String)> {
        let look = client.look.as_ref()?;
        let with = crate::client::user_id(look.with);
        let conversation = ConversationId::between(&client.home.user, &with);
        let said = self.oracle.messages.iter().enumerate();
        let mut said = said.filter(|(_, message)| message.conversation == conversation);
        let lacks = |number: usize, id: MessageId| {
            let kind = kind_of(&format!("m{number}"));
            id.millis() < look.complete && look.is_for(id, &kind) && !look.seen.contains(&id)
        };
        let (number, _) =
            said.find(|(number, message)| message.id.is_some_and(|id| lacks(*number, id)))?;
        let what = format!("the history that {:?} has read lacks m{number}", client.home);
        Some(("rule 10", what))
    }

    /// The device that wrote the last message to a user has been told that it arrived.
    fn receipts_lack(&self) -> Option<(&'static str, String)> {
        if !self.receipts_are_exact() {
            return None;
        }
        for ((by, conversation), order) in &self.oracle.order {
            let message = &self.oracle.messages[*order.last()?];
            // What it was to be told has met its end.
            if self.oracle.was_removed(&message.from) {
                continue;
            }
            // Nobody is told what a device of their own has acknowledged.
            let Recipient::User(to) = &message.to else { continue };
            let others = message.owed.iter().any(|device| device.user != message.from.user);
            let Some(id) = message.id.filter(|_| others) else { continue };
            let told = |by: usize| self.oracle.told.get(&(by, *conversation, to.clone()));
            let up_to = told(*by).and_then(|told| told.keys().next_back());
            if up_to.is_some_and(|up_to| *up_to >= id) {
                continue;
            }
            // With clocks apart, what another device of the user was told before may cover it. Then nothing
            // follows, and this device may have been registered after that.
            let covers = |(up_to, placed): (&MessageId, &Time)| {
                *up_to >= id && message.stored.is_some_and(|stored| *placed < stored)
            };
            let clients = self.clients.iter().enumerate();
            let mut others = clients.filter(|(_, other)| other.home.user == message.from.user);
            if !others.any(|(other, _)| told(other).is_some_and(|told| told.iter().any(covers))) {
                let what = format!("{:?} was told of {up_to:?}, not of {id}", message.from);
                return Some(("receipts", what));
            }
        }
        None
    }
}
