//! Who is told how many have received and read a message.

use chatcluster_protocol::{
    client::{MemberReceipt, Receipts, Recipient},
    id::{MessageId, UserId},
};

use super::Written;
use crate::{coverage::hit, world::World};

impl World {
    /// The answer claims no more than users have done, and whether it has all that they have.
    pub(crate) fn check_counted(&mut self, device: usize, receipts: &Receipts) -> bool {
        let Some(number) = self.oracle.by_identity.get(&receipts.message.identity()).copied()
        else {
            return true;
        };
        let message = &self.oracle.messages[number];
        let members = receipts.members.as_deref().unwrap_or_default();
        let (id, home) = (receipts.message, &self.clients[device].home);
        let right = match &message.to {
            Recipient::User(to) => {
                let others = [to].into_iter().filter(|to| **to != home.user);
                others.eq(members.iter().map(|member| &member.user))
            }
            // Who may read it follows from ids, which are not in the order of time where clocks differ.
            Recipient::Group(_) => {
                hit("receipts: of a group");
                members.iter().all(|member| member.user != home.user)
            }
        };
        let claim = |member: &&MemberReceipt| {
            let read = self.may_have_read(message, id, &member.user);
            let has = read || self.may_have_received(number, id, &member.user);
            member.read && !read || member.delivered && !has && self.receipts_are_exact()
        };
        let counts = |is: fn(&MemberReceipt) -> bool| members.iter().filter(|one| is(one)).count();
        let sums = [members.len(), counts(|one| one.delivered), counts(|one| one.read)];
        let summed = sums == [receipts.of, receipts.delivered, receipts.read].map(|n| n as usize);
        if !right || !summed || members.iter().any(|member| claim(&member)) {
            let what = format!("{home:?} is told of m{number}: {receipts:?}");
            self.violated("receipts", what);
            return true;
        }
        let lacks = |member: &MemberReceipt| {
            let read = self.has_read(message, id, &member.user);
            let has = read || self.has_kept(message, &member.user);
            read && !member.read || has && !member.delivered && self.receipts_are_exact()
        };
        !members.iter().any(lacks)
    }

    /// The service does not tell who has a message.
    pub(crate) fn check_uncounted(&mut self, device: usize, message: MessageId) {
        let number = self.oracle.by_identity.get(&message.identity());
        let written = number.map(|number| &self.oracle.messages[*number]);
        let home = &self.clients[device].home;
        let left =
            written.is_some_and(|one| one.to.is_group()) && self.oracle.may_have_left(&home.user);
        if !left {
            let what = format!("{home:?} may not know who has received its own {message}");
            self.violated("receipts", what);
        }
    }

    /// Some device of the user has said so, of this message or of one that the marks place above it.
    fn may_have_received(&self, number: usize, id: MessageId, user: &UserId) -> bool {
        let message = &self.oracle.messages[number];
        let messages = self.oracle.messages.iter();
        let mut above = messages.enumerate().filter(|(other, one)| {
            let above = *other == number || one.id.is_none_or(|other| other >= id);
            above && one.conversation == message.conversation && one.from.user == message.from.user
        });
        above.any(|(other, _)| self.has_received(other, user))
    }

    /// Some device of the user has acknowledged it.
    fn has_received(&self, number: usize, user: &UserId) -> bool {
        let identity = self.oracle.identity(number);
        let mut theirs = self.clients.iter().enumerate().filter(|(_, one)| one.home.user == *user);
        theirs.any(|(at, _)| self.oracle.has_acknowledged(at, identity))
    }

    /// A device of the user that it is for, and that has stayed, has acknowledged it.
    fn has_kept(&self, message: &Written, user: &UserId) -> bool {
        let mut theirs = message.owed.iter().filter(|device| device.user == *user);
        theirs.any(|device| {
            let client = self.client_of(device);
            let kept = client.is_some_and(|at| self.oracle.has_acknowledged(at, message.identity));
            kept && !self.oracle.was_removed(device)
        })
    }

    fn may_have_read(&self, message: &Written, id: MessageId, user: &UserId) -> bool {
        let reading = self.oracle.reading.get(&(user.clone(), message.conversation));
        let highest = reading.and_then(|reading| reading.highest());
        highest.is_some_and(|highest| highest >= id)
    }

    /// The user was told that their mark is there.
    fn has_read(&self, message: &Written, id: MessageId, user: &UserId) -> bool {
        let reading = self.oracle.reading.get(&(user.clone(), message.conversation));
        reading.is_some_and(|reading| reading.confirmed >= Some(id))
    }

    /// In the end everybody who has looked knows of all who have it.
    pub(super) fn counts_lack(&self) -> Option<(&'static str, String)> {
        let lacking = |client: &&crate::client::Client| {
            !client.lost && client.counted.as_ref().is_some_and(|counted| !counted.complete)
        };
        let client = self.clients.iter().find(lacking)?;
        let what = format!("{:?} is not told who has {:?}", client.home, client.counted);
        Some(("receipts", what))
    }
}
