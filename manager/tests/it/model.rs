//! What the manager is, in the plainest terms: lists that are searched.

use std::time::Duration;

use chatcluster_manager::{
    Claim, Claimed, Incarnation, Lease, Manager, Reclaimed, Renewal, Route, Touched,
};
use chatcluster_protocol::id::{DeviceId, UserId};

use crate::fixtures::{Home, LONG};

/// Something that is done to a manager. Numbers name users, devices and gateways.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    Renew(usize),
    /// The lease runs out.
    Lapse(usize),
    End(usize),
    Claim {
        user: usize,
        device: usize,
        gateway: usize,
        last_epoch: Option<u64>,
        now: u64,
    },
    /// With the epoch of the route plus this, less 2.
    Reclaim {
        user: usize,
        device: usize,
        gateway: usize,
        off_by: u64,
        now: u64,
    },
    /// With the epoch of the route plus this.
    Touch {
        user: usize,
        device: usize,
        off_by: u64,
    },
    Release {
        user: usize,
        device: usize,
        off_by: u64,
    },
    Routes(Vec<usize>),
    Presence(Vec<usize>),
    Leases,
}

/// Who and what the numbers stand for.
pub(crate) struct Cast {
    pub(crate) users: Vec<UserId>,
    pub(crate) devices: Vec<DeviceId>,
    pub(crate) gateways: Vec<Lease>,
}

/// What an operation answered.
#[derive(Debug, PartialEq)]
pub(crate) enum Answer {
    Renewal(Renewal),
    Nothing,
    Claimed(Claimed),
    Reclaimed(Reclaimed),
    Touched(Touched),
    Released(bool),
    Routes(Vec<Vec<(DeviceId, Route)>>),
    /// Whether each is online, and whether anything is known of them.
    Presence(Vec<(bool, bool)>),
    Leases(Vec<Lease>),
}

#[derive(Default)]
pub(crate) struct Model {
    alive: Vec<Incarnation>,
    routes: Vec<(UserId, DeviceId, Route)>,
    /// Who has ever had a route.
    met: Vec<UserId>,
}

impl Model {
    pub(crate) fn answer(&mut self, cast: &Cast, op: &Op) -> Answer {
        match op {
            Op::Renew(gateway) => {
                let incarnation = cast.gateways[*gateway].incarnation;
                if self.alive.contains(&incarnation) {
                    return Answer::Renewal(Renewal::Kept);
                }
                self.alive.push(incarnation);
                Answer::Renewal(Renewal::Created)
            }
            Op::Lapse(gateway) | Op::End(gateway) => {
                self.alive.retain(|i| *i != cast.gateways[*gateway].incarnation);
                Answer::Nothing
            }
            Op::Claim { user, device, gateway, last_epoch, now } => {
                Answer::Claimed(self.claim(cast, (*user, *device, *gateway), *last_epoch, *now))
            }
            Op::Reclaim { user, device, gateway, off_by, now } => {
                let last = self.epoch(cast, *user, *device, *off_by) - 2;
                let there = self.find(cast, *user, *device);
                Answer::Reclaimed(match there.filter(|route| route.epoch > last) {
                    Some(route) => Reclaimed::Replaced(route),
                    None => {
                        let who = (*user, *device, *gateway);
                        Reclaimed::Claimed(self.claim(cast, who, Some(last), *now))
                    }
                })
            }
            Op::Touch { user, device, off_by } => {
                Answer::Touched(match self.find(cast, *user, *device) {
                    None => Touched::Gone,
                    Some(_) if *off_by == 0 => Touched::Held,
                    Some(route) => Touched::Replaced(route),
                })
            }
            Op::Release { user, device, off_by } => {
                Answer::Released(*off_by == 0 && self.take(cast, *user, *device).is_some())
            }
            Op::Routes(users) => Answer::Routes(
                users.iter().map(|user| self.living_routes(&cast.users[*user])).collect(),
            ),
            Op::Presence(users) => {
                let of =
                    |user: &UserId| (!self.living_routes(user).is_empty(), self.met.contains(user));
                Answer::Presence(users.iter().map(|user| of(&cast.users[*user])).collect())
            }
            Op::Leases => {
                let mut leases = cast.gateways.clone();
                leases.retain(|lease| self.alive.contains(&lease.incarnation));
                leases.sort_by_key(|lease| lease.incarnation);
                Answer::Leases(leases)
            }
        }
    }

    fn claim(
        &mut self,
        cast: &Cast,
        (user, device, gateway): (usize, usize, usize),
        last_epoch: Option<u64>,
        now: u64,
    ) -> Claimed {
        let previous = self.take(cast, user, device);
        let old = previous.as_ref().map_or(0, |route| route.epoch + 1);
        let epoch = old.max(last_epoch.map_or(0, |last| last + 1)).max(now);
        let Lease { incarnation, gateway, host, port } = cast.gateways[gateway].clone();
        let route = Route { gateway, host, port, connection: now, incarnation, epoch };
        self.met.push(cast.users[user].clone());
        self.routes.push((cast.users[user].clone(), cast.devices[device].clone(), route));
        Claimed { epoch, previous }
    }

    /// The epoch that an operation names: that of the route as it is, or one nearby.
    fn epoch(&self, cast: &Cast, user: usize, device: usize, off_by: u64) -> u64 {
        self.find(cast, user, device).map_or(17, |route| route.epoch) + off_by
    }

    fn find(&self, cast: &Cast, user: usize, device: usize) -> Option<Route> {
        let (user, device) = (&cast.users[user], &cast.devices[device]);
        let found = self.routes.iter().find(|(u, d, _)| u == user && d == device);
        found.map(|(_, _, route)| route.clone())
    }

    fn take(&mut self, cast: &Cast, user: usize, device: usize) -> Option<Route> {
        let found = self.find(cast, user, device);
        let (user, device) = (&cast.users[user], &cast.devices[device]);
        self.routes.retain(|(u, d, _)| u != user || d != device);
        found
    }

    fn living_routes(&self, user: &UserId) -> Vec<(DeviceId, Route)> {
        let mut found: Vec<_> = self
            .routes
            .iter()
            .filter(|(u, _, route)| u == user && self.alive.contains(&route.incarnation))
            .map(|(_, device, route)| (device.clone(), route.clone()))
            .collect();
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        found
    }
}

/// Asks a manager the same that [`Model::answer`] will be asked next.
pub(crate) async fn ask<H: Home>(home: &H, cast: &Cast, model: &Model, op: &Op) -> Answer {
    let manager = home.manager();
    match op {
        Op::Renew(gateway) => {
            Answer::Renewal(manager.renew(&cast.gateways[*gateway], LONG).await.unwrap())
        }
        Op::Lapse(gateway) => {
            manager.renew(&cast.gateways[*gateway], Duration::from_millis(1)).await.unwrap();
            home.pass(Duration::from_millis(5)).await;
            Answer::Nothing
        }
        Op::End(gateway) => {
            manager.end(cast.gateways[*gateway].incarnation).await.unwrap();
            Answer::Nothing
        }
        Op::Claim { user, device, gateway, last_epoch, now } => {
            let claim = claim_of(cast, (*user, *device), *last_epoch, *now);
            Answer::Claimed(manager.claim(&cast.gateways[*gateway], &claim).await.unwrap())
        }
        Op::Reclaim { user, device, gateway, off_by, now } => {
            let last = model.epoch(cast, *user, *device, *off_by) - 2;
            let claim = claim_of(cast, (*user, *device), Some(last), *now);
            Answer::Reclaimed(manager.reclaim(&cast.gateways[*gateway], &claim).await.unwrap())
        }
        Op::Touch { user, device, off_by } => {
            let epoch = model.epoch(cast, *user, *device, *off_by);
            let (user, device) = (&cast.users[*user], &cast.devices[*device]);
            Answer::Touched(manager.touch(user, device, epoch).await.unwrap())
        }
        Op::Release { user, device, off_by } => {
            let epoch = model.epoch(cast, *user, *device, *off_by);
            let (user, device) = (&cast.users[*user], &cast.devices[*device]);
            Answer::Released(manager.release(user, device, epoch).await.unwrap())
        }
        Op::Routes(users) => {
            let users: Vec<_> = users.iter().map(|user| cast.users[*user].clone()).collect();
            Answer::Routes(manager.routes(&users).await.unwrap())
        }
        Op::Presence(users) => {
            let users: Vec<_> = users.iter().map(|user| cast.users[*user].clone()).collect();
            let presence = manager.presence(&users).await.unwrap();
            let known = presence.iter().map(|one| (one.online, one.seen.is_some()));
            Answer::Presence(known.collect())
        }
        Op::Leases => {
            let mut leases = manager.leases().await.unwrap();
            leases.retain(|lease| cast.gateways.contains(lease));
            Answer::Leases(leases)
        }
    }
}

fn claim_of(
    cast: &Cast,
    (user, device): (usize, usize),
    last_epoch: Option<u64>,
    now: u64,
) -> Claim {
    let (user, device) = (cast.users[user].clone(), cast.devices[device].clone());
    Claim { user, device, connection: now, last_epoch, now }
}
