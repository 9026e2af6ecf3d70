//! The token by which a device is let in: had anew for each connection, and in time for an open one. Some
//! apps forget that, and some bring a token that no gateway may take.

use chatcluster_protocol::client::{ClientFrame, Error, Refresh, Refreshed, RequestId};

use super::user_id;
use crate::{
    clock::{MS, S, START, Time},
    coverage::hit,
    network::Node,
    trace::trace,
    world::World,
};

/// The token of the connection in use.
#[derive(Debug)]
pub(crate) struct Token {
    /// When it expires.
    pub(crate) expires: Time,
    /// The one that a gateway was asked to go on with.
    fresh: Option<Fresh>,
}

#[derive(Debug)]
struct Fresh {
    id: RequestId,
    /// When it expires; one without this is not to be taken.
    expires: Option<Time>,
}

impl Token {
    pub(super) fn new(expires: Time) -> Self {
        Self { expires, fresh: None }
    }
}

impl World {
    /// A token for a device, and when it expires. Whoever issues tokens has the right time.
    pub(super) fn issue(&mut self, device: usize) -> (String, Time) {
        let expires = self.now + self.chance.between(20, 1_200) * S;
        (format!("{}|{}", self.clients[device].home.user, START + expires / MS), expires)
    }

    /// The gateway says that the token expires soon.
    pub(super) fn expiring(&mut self, device: usize) {
        match self.chance.between(1, 10) {
            1 | 2 => hit("refresh: forgotten"),
            3 => {
                let other = (self.clients[device].user + 1) % self.shape.users.len();
                let ends = START + self.now / MS + 600_000;
                self.refresh(device, format!("{}|{ends}", user_id(other)), None);
            }
            4 => {
                // Longer ago than clocks are apart.
                let ended = START + self.now / MS - 3_600_000;
                self.refresh(device, format!("{}|{ended}", self.clients[device].home.user), None);
            }
            _ => {
                let (token, expires) = self.issue(device);
                self.refresh(device, token, Some(expires));
            }
        }
    }

    fn refresh(&mut self, device: usize, token: String, expires: Option<Time>) {
        let id = self.clients[device].request();
        let Some(link) = self.clients[device].link.as_mut().filter(|link| link.is_welcomed())
        else {
            return;
        };
        if link.token.fresh.is_some() {
            return;
        }
        link.token.fresh = Some(Fresh { id, expires });
        trace!(self, Node::Device(device), "refreshes its token by {token}");
        self.say(device, ClientFrame::Refresh(Refresh { id, token }));
    }

    /// The gateway goes on with a token.
    pub(super) fn refreshed(&mut self, device: usize, answer: &Refreshed) {
        let Some(fresh) = self.answered_refresh(device, Some(answer.id)) else { return };
        hit("refresh: done");
        self.check_refreshed(device, fresh.expires.is_some());
        if let (Some(link), Some(expires)) = (&mut self.clients[device].link, fresh.expires) {
            link.token.expires = expires;
        }
    }

    /// Whether an error refuses a token. Some apps then get a better one.
    pub(super) fn refused_refresh(&mut self, device: usize, error: &Error) -> bool {
        let Some(fresh) = self.answered_refresh(device, error.id) else { return false };
        hit("refresh: refused");
        self.check_refused_refresh(device, fresh.expires, error.code);
        if self.chance.one_in(2) {
            let stream = self.clients[device].link.as_ref().map(|link| link.stream);
            let wait = self.chance.between(S, 5 * S);
            self.later(Node::Device(device), wait, move |world| {
                if world.clients[device].link.as_ref().map(|link| link.stream) == stream {
                    let (token, expires) = world.issue(device);
                    world.refresh(device, token, Some(expires));
                }
            });
        }
        true
    }

    fn answered_refresh(&mut self, device: usize, id: Option<RequestId>) -> Option<Fresh> {
        let link = self.clients[device].link.as_mut()?;
        link.token.fresh.take_if(|fresh| Some(fresh.id) == id)
    }
}
