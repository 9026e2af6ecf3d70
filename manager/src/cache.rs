//! What a gateway remembers of routes.
//!
//! Only routes that exist, each device by itself: that a device has no route is never remembered,
//! because it may connect at any moment. A remembered route may be wrong; then the gateway that it
//! names says `not_here`, and the route is forgotten. No clock and no lock: the gateway owns both.

use std::collections::HashMap;

use chatcluster_protocol::id::{DeviceId, UserId};

use crate::{Incarnation, Route};

/// A bounded map of devices to routes that keeps what is asked for. Two generations stand for "least
/// recently used": what nobody asks for while one generation fills up goes with the next.
#[derive(Debug)]
pub struct RouteCache {
    most: usize,
    young: Generation,
    old: Generation,
}

#[derive(Debug, Default)]
struct Generation {
    users: HashMap<UserId, Vec<(DeviceId, Route)>>,
    len: usize,
}

impl RouteCache {
    /// A cache of at most `most` routes, about 250 bytes each; at least two.
    pub fn new(most: usize) -> Self {
        Self { most: most.max(2), young: Generation::default(), old: Generation::default() }
    }

    /// Routes remembered now.
    pub fn len(&self) -> usize {
        self.young.len + self.old.len
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The route of a device, if it is remembered.
    pub fn get(&mut self, user: &UserId, device: &DeviceId) -> Option<&Route> {
        if let Some(route) = self.old.remove(user, device, |_| true) {
            self.put(user, device, route);
        }
        self.young.get(user, device)
    }

    /// Remembers a route, unless a newer one of the device is remembered already: answers of the
    /// manager may overtake each other.
    pub fn insert(&mut self, user: &UserId, device: &DeviceId, route: Route) {
        let newer = self.get(user, device).is_some_and(|known| known.epoch > route.epoch);
        if !newer {
            self.put(user, device, route);
        }
    }

    /// Forgets the route of a device if it still has this epoch.
    pub fn forget(&mut self, user: &UserId, device: &DeviceId, epoch: u64) {
        for generation in [&mut self.young, &mut self.old] {
            generation.remove(user, device, |route| route.epoch == epoch);
        }
    }

    /// Forgets all routes of a gateway's life. Looks at every route: some milliseconds in 100,000,
    /// for something that happens when a gateway goes.
    pub fn forget_incarnation(&mut self, incarnation: Incarnation) {
        for generation in [&mut self.young, &mut self.old] {
            generation.users.retain(|_, devices| {
                devices.retain(|(_, route)| route.incarnation != incarnation);
                !devices.is_empty()
            });
            generation.len = generation.users.values().map(Vec::len).sum();
        }
    }

    fn put(&mut self, user: &UserId, device: &DeviceId, route: Route) {
        self.young.put(user, device, route);
        if self.young.len > self.most / 2 {
            self.old = std::mem::take(&mut self.young);
            // What was just put stays findable without another turn of the generations.
            if let Some(route) = self.old.remove(user, device, |_| true) {
                self.young.put(user, device, route);
            }
        }
    }
}

impl Generation {
    fn get(&self, user: &UserId, device: &DeviceId) -> Option<&Route> {
        self.users.get(user)?.iter().find(|(known, _)| known == device).map(|(_, route)| route)
    }

    fn put(&mut self, user: &UserId, device: &DeviceId, route: Route) {
        let devices = self.users.entry(user.clone()).or_default();
        match devices.iter_mut().find(|(known, _)| known == device) {
            Some((_, known)) => *known = route,
            None => {
                devices.push((device.clone(), route));
                self.len += 1;
            }
        }
    }

    fn remove(
        &mut self,
        user: &UserId,
        device: &DeviceId,
        condition: impl Fn(&Route) -> bool,
    ) -> Option<Route> {
        let devices = self.users.get_mut(user)?;
        let at = devices.iter().position(|(known, route)| known == device && condition(route))?;
        let (_, route) = devices.swap_remove(at);
        if devices.is_empty() {
            self.users.remove(user);
        }
        self.len -= 1;
        Some(route)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn user(n: u8) -> UserId {
        UserId::new(format!("user-{n}")).unwrap()
    }

    fn device(n: u8) -> DeviceId {
        DeviceId::new(format!("device-{n}")).unwrap()
    }

    fn incarnation(n: u8) -> Incarnation {
        Incarnation(Uuid::from_u128(n.into()))
    }

    fn route(epoch: u64, life: u8) -> Route {
        let (gateway, host) = ("gw".to_owned(), "127.0.0.1".to_owned());
        Route { gateway, host, port: 1, connection: 1, incarnation: incarnation(life), epoch }
    }

    #[derive(Debug, Clone)]
    enum Op {
        Insert(u8, u8, u64, u8),
        Get(u8, u8),
        Forget(u8, u8, u64),
        ForgetIncarnation(u8),
    }

    fn op() -> impl Strategy<Value = Op> {
        let (user, device, epoch, life) = (0..6u8, 0..3u8, 0..5u64, 0..3u8);
        prop_oneof![
            4 => (user.clone(), device.clone(), epoch.clone(), life.clone())
                .prop_map(|(u, d, e, l)| Op::Insert(u, d, e, l)),
            4 => (user.clone(), device.clone()).prop_map(|(u, d)| Op::Get(u, d)),
            2 => (user, device, epoch).prop_map(|(u, d, e)| Op::Forget(u, d, e)),
            1 => life.prop_map(Op::ForgetIncarnation),
        ]
    }

    proptest! {
        /// The truth is an unbounded map: the cache may know less, and never something else.
        #[test]
        fn the_cache_never_invents_never_resurrects_and_never_grows(
            most in 2usize..12,
            ops in prop::collection::vec(op(), 1..200),
        ) {
            let mut cache = RouteCache::new(most);
            let mut truth: BTreeMap<(u8, u8), Vec<Route>> = BTreeMap::new();
            for op in ops {
                match op {
                    Op::Insert(u, d, e, l) => {
                        cache.insert(&user(u), &device(d), route(e, l));
                        truth.entry((u, d)).or_default().push(route(e, l));
                        let known = cache.get(&user(u), &device(d)).cloned();
                        prop_assert!(known.is_some_and(|known| known.epoch >= e));
                    }
                    Op::Get(u, d) => {
                        let known = cache.get(&user(u), &device(d));
                        let possible = truth.get(&(u, d));
                        prop_assert!(known.is_none_or(|k| possible.is_some_and(|p| p.contains(k))));
                    }
                    Op::Forget(u, d, e) => {
                        cache.forget(&user(u), &device(d), e);
                        if let Some(known) = truth.get_mut(&(u, d)) {
                            known.retain(|route| route.epoch != e);
                        }
                    }
                    Op::ForgetIncarnation(l) => {
                        cache.forget_incarnation(incarnation(l));
                        for known in truth.values_mut() {
                            known.retain(|route| route.incarnation != incarnation(l));
                        }
                    }
                }
                let counted: usize = [&cache.young, &cache.old]
                    .iter().flat_map(|g| g.users.values()).map(Vec::len).sum();
                prop_assert_eq!(cache.len(), counted);
                prop_assert!(cache.len() <= most);
            }
        }
    }

    #[test]
    fn an_older_answer_does_not_replace_a_newer_one() {
        let mut cache = RouteCache::new(10);
        cache.insert(&user(1), &device(1), route(7, 1));
        cache.insert(&user(1), &device(1), route(6, 2));
        assert_eq!(cache.get(&user(1), &device(1)), Some(&route(7, 1)));
    }

    #[test]
    fn what_is_asked_for_stays_and_what_is_not_goes() {
        let mut cache = RouteCache::new(20);
        cache.insert(&user(0), &device(0), route(1, 1));
        cache.insert(&user(1), &device(0), route(1, 1));
        for n in 10..60 {
            assert!(cache.get(&user(0), &device(0)).is_some(), "after {n}");
            cache.insert(&user(n), &device(0), route(1, 1));
        }
        assert_eq!(cache.get(&user(1), &device(0)), None);
    }
}
