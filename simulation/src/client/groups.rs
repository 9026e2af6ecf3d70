//! A group in each world. The user who owns it adds and removes others, one change after the other; everybody
//! who takes part writes to it, and now and then somebody tries to change it who may not.

use chatcluster_protocol::{
    client::{Content, GroupChange, GroupCreation, GroupName, Recipient},
    id::{GroupId, UserId},
};

use super::user_id;
use crate::{
    clock::{MS, S, Time},
    coverage::hit,
    world::World,
};

/// How often something is written to the group, and how often it changes, at most.
const WRITES: Time = 4 * S;
const CHANGES: Time = 3 * S;

/// Who is added and removed, beside the owner: few, since what is said goes to each of their devices.
const OTHERS: usize = 6;

fn group() -> GroupId {
    GroupId::from_random([8; 16])
}

fn named(name: &str) -> GroupName {
    GroupName::new(name).unwrap_or_else(|error| panic!("{error}"))
}

impl World {
    /// The first user makes the group, and things are said in it until the trouble ends.
    pub(crate) fn plan_group(&mut self) {
        self.at(S, |world| {
            let members = (1..4).map(user_id).collect();
            world.change(0, GroupChange::Create(GroupCreation { name: named("all"), members }));
        });
        let until = self.shape.trouble;
        let mut at = 3 * S;
        while at < until {
            self.at(at, Self::write_to_group);
            at += self.grouping.between(100 * MS, 2 * WRITES);
        }
        self.at(4 * S, Self::change_group);
    }

    fn write_to_group(&mut self) {
        let writer = self.grouping.index(OTHERS + 1);
        let device = self.clients.iter().position(|client| client.user == writer && !client.lost);
        let Some(device) = device else { return };
        let user = self.clients[device].home.user.clone();
        if !self.oracle.takes_part(&user) {
            return;
        }
        hit("group: message");
        let count = if self.grouping.one_in(8) { 5 } else { 1 };
        for _ in 0..count {
            self.write(device, Recipient::Group(group()), None);
        }
        if user != user_id(0) && self.grouping.one_in(6) {
            hit("group: forbidden change");
            let change = GroupChange::Rename(named("mine"));
            self.write(device, Recipient::Group(group()), Some(change.content()));
        }
    }

    /// The owner adds or removes somebody, once the change before is stored.
    fn change_group(&mut self) {
        if self.now >= self.shape.trouble {
            return;
        }
        let wait = self.grouping.between(100 * MS, 2 * CHANGES);
        self.at(self.now + wait, Self::change_group);
        if !self.oracle.group_is_certain() {
            return;
        }
        let other = user_id(1 + self.grouping.index(OTHERS));
        let change: fn(Vec<UserId>) -> GroupChange =
            if self.oracle.takes_part(&other) { GroupChange::Remove } else { GroupChange::Add };
        self.change(0, change(vec![other]));
        // Something is said while that is stored.
        for n in 0..3 {
            let wait = n * self.grouping.between(0, 20 * MS);
            self.at(self.now + wait, Self::write_to_group);
        }
    }

    fn change(&mut self, user: usize, change: GroupChange) {
        let device = self.clients.iter().position(|client| client.user == user && !client.lost);
        let Some(device) = device else { return };
        self.oracle.changes(&change);
        let content: Content = change.content();
        self.write(device, Recipient::Group(group()), Some(content));
    }
}
