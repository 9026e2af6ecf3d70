//! The token by which a device is let in: had anew for a connection, and in time for an open one. Some apps
//! go on with the one that they have, some forget to renew it, and some bring one that no gateway may take.

use chatcluster_protocol::{
    Millis,
    client::{ClientFrame, Error, Refresh, Refreshed, RequestId},
};

use super::user_id;
use crate::{
    clock::{MS, S, START, Time},
    coverage::hit,
    network::Node,
    trace::trace,
    world::World,
};

/// A token.
#[derive(Debug, Clone)]
pub(crate) struct Issued {
    pub(super) text: String,
    expires: Time,
    /// Its `iat`: seconds, as milliseconds of the wall clock.
    issued: Millis,
}

/// The token of the connection in use.
#[derive(Debug)]
pub(crate) struct Token {
    /// When it expires.
    pub(crate) expires: Time,
    /// When the oldest was issued that the connection was opened or renewed by.
    pub(crate) issued: Millis,
    /// The one that a gateway was asked to go on with.
    fresh: Option<Fresh>,
}

#[derive(Debug)]
struct Fresh {
    id: RequestId,
    /// One without this is not to be taken.
    token: Option<Issued>,
}

impl Token {
    pub(super) fn new(token: &Issued) -> Self {
        Self { expires: token.expires, issued: token.issued, fresh: None }
    }
}

impl World {
    /// A fresh token for a device. Whoever issues tokens has the right time.
    fn issue(&mut self, device: usize) -> Issued {
        let expires = self.now + self.chance.between(20, 1_200) * S;
        let issued = START + self.now / S * 1_000;
        let user = &self.clients[device].home.user;
        let text = format!("{user}|{}|{issued}", START + expires / MS);
        let token = Issued { text, expires, issued };
        self.clients[device].issued = Some(issued);
        self.clients[device].token = Some(token.clone());
        token
    }

    /// Some apps go on with the token that they have, for as long as it lasts.
    pub(super) fn token_for(&mut self, device: usize) -> Issued {
        let soon = self.now + 10 * S;
        let kept = self.clients[device].token.clone().filter(|token| token.expires > soon);
        match kept.filter(|_| self.chance.one_in(2)) {
            Some(token) => token,
            None => self.issue(device),
        }
    }

    /// The token was not taken.
    pub(super) fn forget_token(&mut self, device: usize) {
        self.clients[device].token = None;
    }

    /// The gateway says that the token expires soon.
    pub(super) fn expiring(&mut self, device: usize) {
        match self.chance.between(1, 10) {
            1 | 2 => hit("refresh: forgotten"),
            3 => {
                let other = (self.clients[device].user + 1) % self.shape.users.len();
                let ends = START + self.now / MS + 600_000;
                let now = START + self.now / MS;
                self.refresh(device, format!("{}|{ends}|{now}", user_id(other)), None);
            }
            4 => {
                // Longer ago than clocks are apart.
                let ended = START + self.now / MS - 3_600_000;
                let user = &self.clients[device].home.user;
                self.refresh(device, format!("{user}|{ended}|{ended}"), None);
            }
            5 | 6 => {
                // It was made long ago.
                let expires = self.now + 600 * S;
                let user = &self.clients[device].home.user;
                let text = format!("{user}|{}|{START}", START + expires / MS);
                self.refresh_by(device, Issued { text, expires, issued: START });
            }
            _ => {
                let token = self.issue(device);
                self.refresh_by(device, token);
            }
        }
    }

    fn refresh_by(&mut self, device: usize, token: Issued) {
        self.refresh(device, token.text.clone(), Some(token));
    }

    fn refresh(&mut self, device: usize, text: String, token: Option<Issued>) {
        let id = self.clients[device].request();
        let Some(link) = self.clients[device].link.as_mut().filter(|link| link.is_welcomed())
        else {
            return;
        };
        if link.token.fresh.is_some() {
            return;
        }
        link.token.fresh = Some(Fresh { id, token });
        trace!(self, Node::Device(device), "refreshes its token by {text}");
        self.say(device, ClientFrame::Refresh(Refresh { id, token: text }));
    }

    /// The gateway goes on with a token.
    pub(super) fn refreshed(&mut self, device: usize, answer: &Refreshed) {
        let Some(fresh) = self.answered_refresh(device, Some(answer.id)) else { return };
        hit("refresh: done");
        self.check_refreshed(device, fresh.token.is_some());
        if let (Some(link), Some(token)) = (&mut self.clients[device].link, fresh.token) {
            let issued = link.token.issued.min(token.issued);
            link.token = Token { issued, ..Token::new(&token) };
        }
    }

    /// Whether an error refuses a token. Some apps then get a better one.
    pub(super) fn refused_refresh(&mut self, device: usize, error: &Error) -> bool {
        let Some(fresh) = self.answered_refresh(device, error.id) else { return false };
        hit("refresh: refused");
        let token = fresh.token.map(|token| (token.expires, token.issued));
        self.check_refused_refresh(device, token, error.code);
        if self.chance.one_in(2) {
            let stream = self.clients[device].link.as_ref().map(|link| link.stream);
            let wait = self.chance.between(S, 5 * S);
            self.later(Node::Device(device), wait, move |world| {
                if world.clients[device].link.as_ref().map(|link| link.stream) == stream {
                    let token = world.issue(device);
                    world.refresh_by(device, token);
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
