//! Looking back: a device goes forward through one of its conversations, page by page, for as long as things
//! go wrong or are new; every second one looks only for pictures, and from when it began. In the end it must have
//! seen all that is stable.

use std::collections::BTreeSet;

use chatcluster_protocol::{
    Millis,
    client::{ClientFrame, ContentType, Error, History, HistoryPage, MediaRange, RequestId},
    id::MessageId,
};

use super::user_id;
use crate::{
    clock::{MS, S, Time},
    network::Node,
    world::World,
};

/// How often a page is asked for while there is nothing more, and how long an answer may take.
const EVERY: Time = 10 * S;

/// Messages in a page: few, so that there are many pages.
const PAGE: u32 = 5;

/// A walk through a conversation.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) with: usize,
    after: MessageId,
    asked: Option<RequestId>,
    content_type: Option<MediaRange>,
    since: Millis,
    /// What was on the pages, and up to when nothing can be missing.
    pub(crate) seen: BTreeSet<MessageId>,
    pub(crate) complete: Millis,
}

impl Look {
    /// Whether it is for a message with this id and type.
    pub(crate) fn is_for(&self, id: MessageId, kind: &ContentType) -> bool {
        id.millis() >= self.since
            && self.content_type.as_ref().is_none_or(|range| range.contains(kind))
    }
}

impl World {
    pub(super) fn look_back(&mut self, device: usize) {
        let user = self.clients[device].user;
        let with = (user + 1) % self.shape.users.len();
        let pictures = MediaRange::new("image/*").ok().filter(|_| device % 2 == 1);
        let since = if pictures.is_some() { self.pod_wall(0) } else { 0 };
        self.clients[device].look.get_or_insert_with(|| Look {
            with,
            after: MessageId::floor(0),
            asked: None,
            content_type: pictures,
            since,
            seen: BTreeSet::new(),
            complete: 0,
        });
        if !self.has_seen_all(device) {
            self.next_page(device);
        }
        self.later(Node::Device(device), EVERY, move |world| world.look_back(device));
    }

    /// All is healed, and there is nothing that the device has not come by.
    fn has_seen_all(&self, device: usize) -> bool {
        let look = self.clients[device].look.as_ref();
        self.now > self.shape.trouble && look.is_some_and(|look| look.complete >= self.stable())
    }

    fn next_page(&mut self, device: usize) {
        let client = &mut self.clients[device];
        if !client.is_welcomed() {
            return;
        }
        let id = client.request();
        let Some(look) = &mut client.look else { return };
        look.asked = Some(id);
        let history = History {
            id,
            conversation: None,
            user: Some(user_id(look.with)),
            before: None,
            after: Some(look.after),
            sender: None,
            content_type: look.content_type.clone(),
            since: Some(look.since),
            until: None,
            limit: Some(PAGE),
        };
        self.say(device, ClientFrame::History(history));
    }

    pub(super) fn history_page(&mut self, device: usize, page: HistoryPage) {
        let Some(look) = &mut self.clients[device].look else { return };
        if look.asked.take_if(|asked| *asked == page.id).is_none() {
            return;
        }
        let mut said = page.messages.iter();
        if let Some(other) = said.find(|it| !look.is_for(it.message, &it.content.kind)) {
            let what = format!("a page of {look:?} has {other:?}");
            return self.violated("history", what);
        }
        look.seen.extend(page.messages.iter().map(|message| message.message));
        for message in &page.messages {
            self.clients[device].saw(message.message, true);
        }
        let Some(look) = &mut self.clients[device].look else { return };
        match page.next {
            Some(next) => {
                look.after = next;
                self.next_page(device);
            }
            None => look.complete = look.complete.max(page.stable_up_to),
        }
    }

    /// Goes on when the gateway says so, or in a while.
    pub(super) fn look_failed(&mut self, device: usize, error: &Error) {
        let Some(look) = &mut self.clients[device].look else { return };
        let failed = look.asked.take_if(|asked| Some(*asked) == error.id).is_some();
        if let Some(wait) = error.retry_after.filter(|_| failed) {
            self.later(Node::Device(device), wait * MS, move |world| {
                if world.clients[device].look.as_ref().is_some_and(|look| look.asked.is_none()) {
                    world.next_page(device);
                }
            });
        }
    }
}
