//! Routes that were found a while ago. Only those that exist: a device without one is looked up anew
//! for each message, since it may have come in the meantime (rule 3).

use std::collections::{BTreeMap, BTreeSet};

use chatcluster_protocol::id::UserId;

use crate::{Device, Gateway, Incarnation, Route};

/// Most routes. At some 300 bytes each this is 10 MB; the least recently used goes first.
const CAPACITY: usize = 32_768;

/// A bounded cache of routes. Each is trusted only while the lease of its gateway lives.
#[derive(Debug, Default)]
pub(super) struct RouteCache {
    routes: BTreeMap<Device, (Route, u64)>,
    by_use: BTreeMap<u64, Device>,
    uses: u64,
    alive: BTreeSet<Incarnation>,
}

impl RouteCache {
    /// The route of a device, if it is known and its gateway lives.
    pub(super) fn get(&mut self, device: &Device) -> Option<Route> {
        let (route, used) = self.routes.get_mut(device)?;
        let alive = self.alive.contains(&route.gateway.incarnation);
        if !alive {
            self.by_use.remove(used);
            self.routes.remove(device);
            return None;
        }
        let key = self.by_use.remove(used)?;
        self.uses += 1;
        *used = self.uses;
        self.by_use.insert(self.uses, key);
        Some(route.clone())
    }

    /// The routes of a user whose gateways live. Looking at them is no use of them.
    pub(super) fn of_user<'a>(
        &'a self,
        user: &'a UserId,
    ) -> impl Iterator<Item = (&'a Device, &'a Route)> {
        let of_user = self.routes.range(Device::lowest_of(user)..);
        let of_user = of_user.take_while(move |(device, _)| device.user == *user);
        let alive = |route: &Route| self.alive.contains(&route.gateway.incarnation);
        of_user
            .filter(move |(_, (route, _))| alive(route))
            .map(|(device, (route, _))| (device, route))
    }

    /// Keeps a route that the manager has just given, which says that its gateway lives.
    pub(super) fn insert(&mut self, device: Device, route: Route) {
        self.alive.insert(route.gateway.incarnation);
        self.uses += 1;
        if let Some((_, used)) = self.routes.insert(device.clone(), (route, self.uses)) {
            self.by_use.remove(&used);
        }
        self.by_use.insert(self.uses, device);
        if self.routes.len() > CAPACITY
            && let Some((_, least)) = self.by_use.pop_first()
        {
            self.routes.remove(&least);
        }
    }

    /// Forgets the route of a device if it is this one.
    pub(super) fn forget(&mut self, device: &Device, wrong: impl Fn(&Route) -> bool) {
        if let Some((route, used)) = self.routes.get(device)
            && wrong(route)
        {
            self.by_use.remove(used);
            self.routes.remove(device);
        }
    }

    /// The gateways whose leases live.
    pub(super) fn set_alive(&mut self, alive: &[Gateway]) {
        self.alive = alive.iter().map(|gateway| gateway.incarnation).collect();
    }

    /// This gateway's routes are worth nothing any more.
    pub(super) fn gone(&mut self, gateway: Incarnation) {
        self.alive.remove(&gateway);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{device, gateway, route};

    #[test]
    fn a_route_is_worth_as_much_as_its_gateways_lease() {
        let mut cache = RouteCache::default();
        let bob = device("bob", "phone");
        cache.insert(bob.clone(), route(1, 7, 70));
        assert_eq!(cache.get(&bob), Some(route(1, 7, 70)));
        cache.set_alive(&[gateway(2)]);
        assert_eq!(cache.get(&bob), None);
        // Also when the gateway is seen again: the route was read in an earlier life of its lease.
        cache.set_alive(&[gateway(1)]);
        assert_eq!(cache.get(&bob), None);
    }

    #[test]
    fn only_the_wrong_route_is_forgotten() {
        let mut cache = RouteCache::default();
        let bob = device("bob", "phone");
        cache.insert(bob.clone(), route(1, 7, 71));
        cache.forget(&bob, |route| route.epoch == 70);
        assert!(cache.get(&bob).is_some());
        cache.forget(&bob, |route| route.epoch == 71);
        assert_eq!(cache.get(&bob), None);
    }

    #[test]
    fn the_least_recently_used_goes_when_it_is_full() {
        let mut cache = RouteCache::default();
        let nth = |n: usize| device(&format!("user{n}"), "phone");
        for n in 0..CAPACITY {
            cache.insert(nth(n), route(1, 7, 70));
        }
        assert!(cache.get(&nth(0)).is_some());
        cache.insert(nth(CAPACITY), route(1, 7, 70));
        assert!(cache.get(&nth(0)).is_some() && cache.get(&nth(1)).is_none());
        assert_eq!((cache.routes.len(), cache.by_use.len()), (CAPACITY, CAPACITY));
    }
}
