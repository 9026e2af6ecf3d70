//! Reading by any mix of filters, page by page.

use chatcluster_protocol::{
    client::{Body, ContentType, MediaRange},
    id::MessageId,
    limits::BODY,
};
use futures_util::FutureExt;
use messages_core::{
    key::{self, Ids},
    record::Archived,
    repository::{Append, Direction, Query, Repository, stable_up_to},
};
use proptest::prelude::*;

use crate::harness::*;

const NAMES: [&str; 4] = ["alice", "bob", "carol", "dave"];

const TYPES: [&str; 3] = ["text/plain", "image/png", "image/jpeg"];

const RANGES: [&str; 4] = ["text/plain", "image/*", "image/jpeg", "video/*"];

fn of_type(kind: &str, append: Append) -> Append {
    let message = Archived { kind: ContentType::new(kind).unwrap(), ..append.message };
    Append { message, ..append }
}

/// Messages among four users, a millisecond apart, of three types in turn.
fn said(pairs: &[(usize, usize)]) -> (Service, Vec<Append>) {
    let service = Service::of_one();
    let appends = (0..).zip(pairs).map(|(n, (from, to))| {
        let append = message(NAMES[*from], NAMES[*to], &format!("r{n}"), n, "hi");
        let append = of_type(TYPES[n as usize % 3], append);
        service.store(&append).unwrap();
        append
    });
    let appends = appends.collect();
    (service, appends)
}

fn matches(query: &Query, Append { id, message }: &Append) -> bool {
    query.user.as_ref().is_none_or(|user| message.pair().any(|one| one == user))
        && query.conversation.is_none_or(|conversation| message.conversation() == conversation)
        && query.sender.as_ref().is_none_or(|sender| message.from == *sender)
        && query.content_type.as_ref().is_none_or(|range| range.contains(&message.kind))
        && (query.ids.from..query.ids.to).contains(&u128::from_be_bytes(id.to_bytes()))
}

proptest! {
    #[test]
    fn every_query_finds_exactly_what_it_asks_for_once_and_in_order(
        pairs in prop::collection::vec((0usize..4, 0usize..4), 0..60),
        who in prop::option::of(0usize..4),
        sender in prop::option::of(0usize..4),
        content_type in prop::option::of(0usize..4),
        between in prop::option::of((0usize..4, 0usize..4)),
        since in 0u64..60,
        until in 0u64..70,
        forward: bool,
        limit in 1usize..8,
    ) {
        let (service, appends) = said(&pairs);
        let query = Query {
            user: who.map(|n| user(NAMES[n])),
            conversation: between.map(|(a, b)| conversation(NAMES[a], NAMES[b])),
            sender: sender.map(|n| user(NAMES[n])),
            content_type: content_type.map(|n| MediaRange::new(RANGES[n]).unwrap()),
            ids: Ids::ALL
                .at_least(MessageId::floor(NOW + since))
                .below(MessageId::floor(NOW + until)),
            direction: if forward { Direction::Forward } else { Direction::Backward },
            limit,
            ..everything()
        };
        let mut wanted: Vec<_> =
            appends.iter().filter(|append| matches(&query, append)).map(|a| a.id).collect();
        if !forward {
            wanted.reverse();
        }
        let found = service.all(query, NOW + 10_000_000);
        let found: Vec<_> = found.iter().map(|message| message.message).collect();
        prop_assert_eq!(found, wanted);
    }
}

#[test]
fn a_message_is_found_by_its_id() {
    let (service, appends) = said(&[(0, 1)]);
    let find = |id| service.quorum.message(id).now_or_never().unwrap().unwrap();
    assert_eq!(find(appends[0].id).unwrap().from, user("alice"));
    assert_eq!(find(message("alice", "bob", "never", 0, "").id), None);
}

#[test]
fn a_forward_cursor_stops_where_more_may_still_come_below() {
    let (service, appends) = said(&[(0, 1); 10]);
    let page = |ids, now| {
        let query = Query { ids, direction: Direction::Forward, limit: 4, ..everything() };
        service.quorum.query(query, now).now_or_never().unwrap().unwrap()
    };
    // Stable up to the sixth message: the page before it goes on behind its end ...
    let now = NOW + 6 + 65_000;
    assert_eq!(stable_up_to(now), NOW + 6);
    let first = page(Ids::ALL, now);
    assert_eq!((first.next, first.more), (Some(appends[3].id), true));
    // ... the next one shows four and goes on behind the last stable one ...
    let second = page(Ids::ALL.above(appends[3].id), now);
    assert_eq!(second.messages.len(), 4);
    assert_eq!((second.next, second.more), (Some(appends[5].id), true));
    // ... and where nothing is stable there is nowhere to go on from, yet.
    let third = page(Ids::ALL.above(appends[5].id), now);
    assert_eq!((third.messages.len(), third.next), (4, None));
    // Backward nothing is held back.
    let query = Query { limit: 4, ..everything() };
    let newest = service.quorum.query(query, now).now_or_never().unwrap().unwrap();
    assert_eq!(newest.next, Some(appends[6].id));
}

#[test]
fn a_page_ends_by_its_bytes() {
    let (service, appends) = said(&[(0, 1); 4]);
    let query = Query { bytes: 4, ..everything() };
    let page = service.quorum.query(query.clone(), NOW).now_or_never().unwrap().unwrap();
    assert_eq!((page.messages.len(), page.next), (2, Some(appends[2].id)));
    assert_eq!(service.all(query, NOW).len(), 4);
}

#[test]
fn a_filter_that_matches_little_ends_pages_early_and_finds_it_in_the_end() {
    let service = Service::of_one();
    let rare = message("bob", "alice", "rare", -1, "here");
    service.store(&rare).unwrap();
    let many = (0..30_000).map(|n| message("alice", "bob", &format!("r{n}"), n, "hi"));
    assert!(service.append(many.collect()).iter().all(Result::is_ok));
    let query = Query { sender: Some(user("bob")), ..everything() };
    let page = service.quorum.query(query.clone(), NOW).now_or_never().unwrap().unwrap();
    assert_eq!((page.messages.len(), page.more), (0, true));
    let found = service.all(query, NOW);
    assert_eq!(found.iter().map(|m| m.message).collect::<Vec<_>>(), [rare.id]);
}

#[test]
fn a_filter_that_matches_nothing_reads_no_more_than_16_mib_for_a_page() {
    let service = Service::of_one();
    let body = Body::new("x".repeat(BODY)).unwrap();
    let appends: Vec<_> = (0..1_200)
        .map(|n| message("alice", "bob", &format!("r{n}"), n, ""))
        .map(|Append { id, message }| Append {
            id,
            message: Archived { body: body.clone(), ..message },
        })
        .collect();
    for some in appends.chunks(256) {
        assert!(service.append(some.to_vec()).iter().all(Result::is_ok));
    }
    let images = Some(MediaRange::new("image/*").unwrap());
    let all = Query { content_type: images.clone(), ..everything() };
    let one = Query { conversation: Some(conversation("alice", "bob")), ..all.clone() };
    for query in [all, one] {
        let page = service.quorum.query(query, NOW).now_or_never().unwrap().unwrap();
        assert_eq!((page.messages.len(), page.more), (0, true));
        let next = page.next.unwrap();
        let read = appends.iter().filter(|append| append.id >= next).count() * BODY;
        // What brings it there is read whole: 51 messages of the index.
        assert!((15 << 20..18 << 20).contains(&read), "{read} bytes");
    }
}

#[test]
fn a_forward_page_without_a_match_goes_on_where_it_ended() {
    let service = Service::of_one();
    let many = (0..10_500).map(|n| message("alice", "bob", &format!("r{n}"), n, "hi"));
    let rare = of_type("image/png", message("alice", "bob", "rare", 10_600, "here"));
    for append in many.chain([rare.clone()]) {
        service.store(&append).unwrap();
    }
    let images = Some(MediaRange::new("image/*").unwrap());
    let query = Query { content_type: images, direction: Direction::Forward, ..everything() };
    for conversation in [None, Some(conversation("alice", "bob"))] {
        let query = Query { conversation, ..query.clone() };
        let now = NOW + 10_000_000;
        let page = service.quorum.query(query.clone(), now).now_or_never().unwrap().unwrap();
        assert_eq!((page.messages.len(), page.more, page.next.is_some()), (0, true, true));
        let found = service.all(query, now);
        assert_eq!(found.iter().map(|m| m.message).collect::<Vec<_>>(), [rare.id]);
    }
}

#[test]
fn pages_that_end_early_end_where_every_conversation_was_looked_at() {
    for direction in [Direction::Forward, Direction::Backward] {
        let service = Service::of_one();
        // With bob three times as dense in time as with carol, and one answer far inside of each.
        let dense = (0..15_000).map(|n| message("alice", "bob", &format!("b{n}"), n, "hi"));
        let sparse = (0..15_000).map(|n| message("alice", "carol", &format!("c{n}"), 3 * n, "hi"));
        let answers = [
            message("bob", "alice", "b", 7_500, "from bob"),
            message("carol", "alice", "c", 24_000, "from carol"),
        ];
        for append in dense.chain(sparse).chain(answers.clone()) {
            assert!(service.store(&append).is_ok());
        }
        for sender in ["bob", "carol"] {
            let (owner, from) = (Some(user("alice")), Some(user(sender)));
            let query = Query { user: owner, sender: from, direction, ..everything() };
            let found = service.all(query, NOW + 10_000_000);
            let found: Vec<_> = found.iter().map(|m| m.content.body.as_str().to_owned()).collect();
            assert_eq!(found, [format!("from {sender}")]);
        }
    }
}

#[test]
fn conversations_of_any_length_are_merged_in_order() {
    let service = Service::of_one();
    for n in 0..60 {
        let to = ["bob", "carol", "dave"][n as usize % 7 % 3];
        service.store(&message("alice", to, &format!("r{n}"), n, "hi")).unwrap();
    }
    for (direction, limit) in [(Direction::Forward, 50), (Direction::Backward, 50)] {
        let query = Query { user: Some(user("alice")), direction, limit, ..everything() };
        let found = service.all(query, NOW + 10_000_000);
        let mut times: Vec<_> = found.iter().map(|message| message.at - NOW).collect();
        if direction == Direction::Backward {
            times.reverse();
        }
        assert_eq!(times, (0..60).collect::<Vec<_>>());
    }
}

#[test]
fn many_conversations_are_read_a_few_at_a_time() {
    let service = Service::of_one();
    let appends: Vec<_> = (0..600)
        .map(|n| message("alice", &format!("peer-{n}"), &format!("r{n}"), n, "hi"))
        .collect();
    service.append(appends.clone());
    for direction in [Direction::Forward, Direction::Backward] {
        let query = Query { user: Some(user("alice")), direction, ..everything() };
        let found = service.all(query, NOW + 10_000_000);
        let mut ids: Vec<_> = found.iter().map(|message| message.message).collect();
        if direction == Direction::Backward {
            ids.reverse();
        }
        assert!(ids.iter().eq(appends.iter().map(|append| &append.id)));
    }
}

#[test]
fn a_user_takes_part_in_what_was_said_by_and_to_them() {
    let (service, _) = said(&[(0, 1)]);
    let takes_part = |name| {
        let part = service.quorum.readable(user(name), conversation("alice", "bob"));
        part.now_or_never().unwrap().unwrap().is_some()
    };
    assert_eq!(["alice", "bob", "carol"].map(takes_part), [true, true, false]);
    // Asking as somebody else finds nothing.
    let query = Query {
        user: Some(user("carol")),
        conversation: Some(conversation("alice", "bob")),
        ..everything()
    };
    assert_eq!(service.all(query, NOW), []);
}

#[test]
fn a_body_that_is_gone_is_left_out() {
    let (service, appends) = said(&[(0, 1); 3]);
    let gone = key::archive(conversation("alice", "bob"), appends[1].id);
    put(service.replica(), gone, messages_core::record::tombstone(NOW));
    assert_eq!(service.all(everything(), NOW).len(), 2);
}
