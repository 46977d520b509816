//! The life of a connection to each exchange of the registry: a real feed lane talks to the
//! exchange's own mirror, through real TLS and WebSocket, on a virtual clock. Names no exchange:
//! what may differ is asked of its rule.

use crate::life_support::{Heard, Route, Said, World, told};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use tickwire::base::feed::{Chain, SeqRule, SnapshotFrom};
use tickwire::base::{Channel, Nanos, Side, Span};
use tickwire::exchange::{ALL, Rate};
use tickwire::wiring::feed_lane::SUBSCRIBE_DEADLINE;

/// How long a new connection, with a snapshot or a book of the stream, may take until its books are
/// live.
const START_MAX: Span = Span::from_secs(5);
/// How long a book may stay dark after a message was lost, whatever has to be asked for again.
const REPAIR_MAX: Span = Span::from_secs(15);

/// Tries every one, and then says which of them failed.
fn each(routes: impl Iterator<Item = Route>, work: impl Fn(&Route)) {
    let mut failed = Vec::new();
    for route in routes {
        let tried = catch_unwind(AssertUnwindSafe(|| work(&route)));
        if tried.is_err() {
            failed.push(format!(
                "{} {} {}",
                route.exchange.name(),
                route.depth.name,
                route.path
            ));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}
/// How long one bad symbol may keep those back that were asked for with it: if an exchange
/// refuses a request whole and does not say which one, silence must tell.
const UNKNOWN_MAX: Span = Span::from_secs(20);

fn s(s: u64) -> Span {
    Span::from_secs(s)
}

/// How long a message may wait at the exchange for its time: some speak of a book now and then.
fn rhythm(route: &Route) -> Span {
    Span::from_millis(route.depth.every_ms.unwrap_or_default().into())
}

/// Every route of every exchange, with its default depth stream.
fn routes() -> impl Iterator<Item = Route> {
    ALL.iter()
        .flat_map(|exchange| Route::all(*exchange, &exchange.depth_streams()[0]))
}

/// Every route of every exchange with every depth stream.
fn every_depth() -> impl Iterator<Item = Route> {
    ALL.iter().flat_map(|exchange| {
        let depths = exchange.depth_streams().iter();
        depths.flat_map(|depth| Route::all(*exchange, depth))
    })
}

/// Whether the mirror has this depth stream for a client without an account; the default it must
/// have.
fn accepted(world: &World) -> bool {
    let (exchange, depth) = (world.route.exchange, world.route.depth);
    let accepted = !world.route.has_books() || world.live() > 0;
    let default = std::ptr::eq(depth, &exchange.depth_streams()[0]);
    assert!(accepted || !default, "no books: {}", world.place());
    if !accepted {
        println!("{} gives us no {}", exchange.name(), depth.name);
    }
    accepted
}

/// Those that carry books.
fn books() -> impl Iterator<Item = Route> {
    routes().filter(Route::has_books)
}

/// Up, with everything confirmed; its books are live.
fn started(route: &Route, lines: usize) -> World {
    let mut world = World::new(route, lines, false);
    world.rest(START_MAX);
    world.assert_live();
    world
}

/// Whether a message that is missing shows when the next one comes.
fn notices(rule: SeqRule) -> bool {
    let by_number = match rule.chain {
        Chain::Dense | Chain::Previous => true,
        Chain::Rising | Chain::Counted => false,
    };
    by_number || rule.checksum.is_some() || rule.numbered_line
}

/// Never more than the exchange takes from a connection in any span.
fn assert_paced(world: &World) {
    let Rate { count, per } = world.route.exchange.limits().messages;
    for line in 0..4 {
        let sent = world.sent.iter().filter(|(of, ..)| *of == line);
        let times: Vec<Nanos> = sent.map(|(_, at, _)| *at).collect();
        for group in times.windows(count as usize + 1) {
            let span = group[count as usize].since(group[0]);
            assert!(span >= per, "too many messages: {}", world.place());
        }
    }
}

/// Nothing went wrong with a connection or a subscription.
fn assert_calm(world: &World) {
    for event in [
        "link.closed",
        "line.gap",
        "book.gap",
        "book.silent",
        "frame.refused",
        "subscribe.refused",
        "subscribe.repaired",
        "subscribe.unanswered",
        "subscribe.given_up",
    ] {
        let noted: Vec<String> = world.noted(event).into_iter().map(told).collect();
        assert!(noted.is_empty(), "{noted:?}: {}", world.place());
    }
    assert!(world.cuts.is_empty(), "{:?}: {}", world.cuts, world.place());
}

#[test]
fn a_connection_starts_with_every_topic_confirmed_and_every_book_live() {
    each(every_depth(), |route| {
        let mut world = World::new(route, 1, false);
        // A quiet market: answers alone must do.
        world.rest(START_MAX);
        if !accepted(&world) {
            return;
        }
        world.assert_live();
        world.rest(SUBSCRIBE_DEADLINE);
        world.step("moving");
        world.move_every(Span::from_millis(300), s(6), &[0, 1]);
        world.assert_live();
        assert_calm(&world);
        assert_paced(&world);
        assert_eq!(world.rig.dials, 1, "{}", world.place());
        let fetched = route.has_books() && route.depth.rule.snapshot == SnapshotFrom::Rest;
        assert_eq!(world.snapshots > 0, fetched, "{}", world.place());
    });
}

#[test]
fn ten_minutes_pass_without_a_cut() {
    each(routes(), |route| {
        let mut world = started(route, 1);
        world.step("a lively market");
        let stale = |world: &World| match route.has_books() {
            true => (0..2).map(|n| world.counters(n).stale).sum(),
            false => 0,
        };
        world.move_every(s(1), s(10), &[0, 1]);
        let before: u64 = stale(&world);
        world.move_every(s(1), s(190), &[0, 1]);
        world.assert_live();
        assert_eq!(stale(&world), before, "{}", world.place());
        world.step("a quiet market");
        world.rest(s(200));
        world.step("one book moves");
        world.move_every(s(1), s(50), &[0]);
        world.step("a lively market again");
        world.move_every(s(1), s(150), &[0, 1]);
        world.assert_live();
        assert_calm(&world);
        assert_paced(&world);
        assert_eq!(world.rig.dials, 1, "{}", world.place());
        if let Some(keep_alive) = route.exchange.keep_alive() {
            let kept = world
                .sent
                .iter()
                .filter(|(_, _, text)| text == keep_alive.text);
            let wanted = 600_000_000_000 / keep_alive.every.0;
            assert!(kept.count() as u64 >= wanted - 1, "{}", world.place());
        }
    });
}

#[test]
fn a_mirror_at_its_ordinary_pace_is_not_called_slow() {
    each(every_depth().filter(Route::has_books), |route| {
        let mut world = World::new(route, 1, false);
        world.rest(START_MAX);
        if accepted(&world) {
            world.move_every(Span::from_millis(100), s(40), &[0, 1]);
            let slow: Vec<String> = world.noted("stream.slow").into_iter().map(told).collect();
            assert!(slow.is_empty(), "{slow:?}: {}", world.place());
        }
    });
}

#[test]
fn a_lost_message_costs_the_book_until_it_is_right_again() {
    each(every_depth().filter(Route::has_books), lose_one);
}

fn lose_one(route: &Route) {
    let mut world = World::new(route, 1, false);
    world.rest(START_MAX);
    if !accepted(&world) {
        return;
    }
    world.move_every(s(1), s(5), &[0, 1]);
    world.assert_live();
    let name = format!("{} {}", route.exchange.name(), route.depth.name);

    world.rest(rhythm(route));
    world.step("one message is lost");
    let lost: Rc<RefCell<Option<Heard>>> = Rc::default();
    let slot = lost.clone();
    world.lose = Some(Box::new(move |said: Said<'_>| {
        let depth = said.words.iter().find(|word| word.is_depth_of(0));
        let takes = slot.borrow().is_none() && depth.is_some();
        if takes {
            *slot.borrow_mut() = depth.copied();
        }
        takes
    }));
    world.may_be_wrong = !notices(route.depth.rule);
    world.touch(0, Side::Buy, 0);
    world.rest(rhythm(route));
    let word = lost
        .borrow()
        .unwrap_or_else(|| panic!("nothing was said: {}", world.place()));

    world.step("the next message");
    world.rest(Span::from_millis(300));
    let (resyncs, dials) = (world.counters(0).resyncs, world.rig.dials);
    // Of other levels: setting the same one again would mend what was lost.
    world.touch(0, Side::Sell, 0);
    world.rest(rhythm(route));
    let anew = world.counters(0).resyncs > resyncs || world.rig.dials > dials;
    if matches!(word, Heard::Book(_)) {
        // Each message is a whole book: the next one mends it.
        world.assert_live();
    } else if notices(route.depth.rule) {
        assert!(
            !world.is_shown(0) || anew,
            "it was not noticed: {}",
            world.place()
        );
    } else {
        println!(
            "{name}: {:?} cannot tell that a message is missing",
            route.depth.rule.chain
        );
        return;
    }

    world.step("repair");
    let from = world.now();
    while !world.is_shown(0) {
        assert!(world.now() < from + REPAIR_MAX, "{}", world.place());
        world.move_every(s(1), s(1), &[0, 1]);
    }
    let dark_s = world.now().since(from).as_millis() / 1_000;
    world.move_every(s(1), s(20), &[0, 1]);
    world.assert_live();
    println!("{name}: {word:?} is missing, dark for {dark_s} s");
    assert_paced(&world);
    assert!(world.cuts.is_empty(), "{:?}: {}", world.cuts, world.place());
}

#[test]
fn a_connection_that_is_cut_within_a_frame_is_made_anew() {
    each(routes(), |route| {
        let mut world = World::new(route, 1, false);
        world.rest(s(2)); // No book is silent for so long that it would be asked for anew.
        let first: Vec<String> = world.sent.drain(..).map(|(_, _, text)| text).collect();
        world.rest(START_MAX - s(2));
        world.assert_live();
        world.sent.clear();
        world.step("torn");
        world.rig.tear_on(0, &"{\"torn\":1}".repeat(40));
        world.pump();
        assert_eq!(
            (world.live(), world.is_shown(0)),
            (0, false),
            "{}",
            world.place()
        );
        let torn = world.now();
        world.move_every(s(1), START_MAX + s(2), &[0, 1]);
        world.assert_live();
        let again: Vec<&String> = world.sent.iter().map(|(_, _, text)| text).collect();
        let first: Vec<&String> = first.iter().collect();
        assert_eq!(
            again[..first.len().min(again.len())],
            first,
            "{}",
            world.place()
        );
        assert!(world.sent[0].1 > torn, "without a pause: {}", world.place());
        assert_eq!(world.rig.dials, 2, "{}", world.place());
        assert_eq!(world.rig.lane.epoch(), 2, "{}", world.place());
        if route.has_books() {
            assert_eq!(world.epochs.iter().max(), Some(&2), "{}", world.place());
        }
        assert_eq!(world.noted("link.closed").len(), 1, "{}", world.place());
        assert_paced(&world);
    });
}

#[test]
fn an_unknown_symbol_is_refused_once_and_hurts_nobody() {
    each(routes(), |route| {
        let mut world = World::new(route, 1, true);
        world.step("beside an unknown symbol");
        world.move_every(s(1), UNKNOWN_MAX, &[0, 1]);
        world.assert_live();
        world.move_every(s(2), s(600) - UNKNOWN_MAX, &[0, 1]);
        world.assert_live();
        let mut refused = BTreeMap::new();
        for note in world.noted("subscribe.refused") {
            assert_eq!(note.instrument.index(), world.good, "{}", told(note));
            *refused
                .entry(told(note).split("channel=").nth(1).unwrap().to_owned())
                .or_insert(0) += 1;
        }
        let dials = world.rig.dials;
        println!(
            "{} {}: refused {refused:?}, {dials} connections",
            route.exchange.name(),
            route.path
        );
        assert!(
            refused.values().all(|times| *times == 1),
            "{refused:?} {}",
            world.place()
        );
        assert!(dials <= 3, "{dials} connections: {}", world.place());
        if route.has_books() {
            let dark = (0..2).map(|n| world.counters(n).resyncs).max();
            assert_eq!(dark, Some(0), "{}", world.place());
        }
        // If nothing says that it was refused it is asked for again, and then given up; or it is
        // taken, like any.
        let asked_again = !world.noted("subscribe.repaired").is_empty();
        let given_up = !world.noted("subscribe.given_up").is_empty();
        assert_eq!(asked_again, given_up, "{}", world.place());
        assert!(
            refused.is_empty() || !asked_again,
            "{refused:?}: {}",
            world.place()
        );
        assert_paced(&world);
        assert!(world.cuts.is_empty(), "{:?}: {}", world.cuts, world.place());
    });
}

#[test]
fn a_topic_that_is_never_answered_is_asked_for_again_and_no_other_is_touched() {
    // If frames are numbered one cannot be withheld without a gap, which is another matter.
    let unnumbered = routes().filter(|route| !route.depth.rule.numbered_line);
    each(unnumbered, |route| {
        route
            .channels
            .iter()
            .for_each(|channel| keep_silent(route, *channel));
    });
}

fn keep_silent(route: &Route, channel: Channel) {
    let mut world = World::new(route, 1, false);
    world.step(&format!("{} without an answer", channel.name()));
    world.lose = Some(Box::new(move |said: Said<'_>| {
        said.words.iter().any(|word| match *word {
            Heard::Book(n) | Heard::Diff(n) => n == 1 && channel == Channel::Depth,
            Heard::Other(n, of) => n == 1 && of == channel,
            Heard::Subscribed(n, of, _) => n == 1 && of == channel,
            // It may be the answer for several topics: then the others have data.
            Heard::Answer(..) => true,
            Heard::Reply => false,
        })
    }));
    world.move_every(s(1), SUBSCRIBE_DEADLINE - s(1), &[0]);
    world.lose = None;
    world.step(&format!("{} answered again", channel.name()));
    world.move_every(s(1), s(30), &[0]);
    world.assert_live();
    for event in [
        "subscribe.unanswered",
        "subscribe.given_up",
        "subscribe.refused",
    ] {
        let noted: Vec<String> = world.noted(event).into_iter().map(told).collect();
        assert!(noted.is_empty(), "{noted:?}: {}", world.place());
    }
    assert_eq!(world.rig.dials, 1, "{}", world.place());
    if route.has_books() {
        assert_eq!(world.counters(0).resyncs, 0, "{}", world.place());
        assert_eq!(world.counters(0).stale, 0, "{}", world.place());
    }
    assert_paced(&world);
}

#[test]
fn of_two_lines_one_may_die_or_lose_a_message_and_the_books_stay() {
    let numbered = books().filter(|route| route.depth.rule.merges());
    each(numbered, |route| {
        let mut world = started(route, 2);
        world.move_every(s(1), s(5), &[0, 1]);
        world.assert_live();
        let before = (world.counters(0), world.counters(1));

        for dies in 0..2 {
            world.step(&format!("line {dies} dies"));
            world.rig.hang_up_on(dies, 1001);
            world.pump();
            assert_eq!(world.live(), 2, "{}", world.place());
            for _ in 0..16 {
                world.move_every(s(1), s(1), &[0, 1]);
                assert_eq!(world.live(), 2, "{}", world.place());
                world.assert_live();
            }
            assert!(world.rig.is_up(dies), "{}", world.place());
        }

        for deaf in 0..2 {
            world.step(&format!("line {deaf} loses a message"));
            let gone = Rc::new(RefCell::new(false));
            let flag = gone.clone();
            world.lose = Some(Box::new(move |said: Said<'_>| {
                let hit = said.line == deaf && said.words.iter().any(|word| word.is_depth_of(0));
                hit && !flag.replace(true)
            }));
            world.touch(0, Side::Buy, 0);
            world.rest(rhythm(route));
            assert!(*gone.borrow(), "{}", world.place());
            if route.depth.rule.numbered_line {
                // A frame that is missing may have been of any book, and nothing tells which line
                // had it first.
                world.may_be_wrong = true;
                world.move_every(s(1), REPAIR_MAX, &[0, 1]);
                world.assert_live();
                continue;
            }
            for place in 0..5 {
                assert_eq!(world.live(), 2, "{}", world.place());
                world.rest(Span::from_millis(300));
                world.touch(0, Side::Sell, place);
                world.rest(rhythm(route));
                world.assert_live();
            }
            world.lose = None;
        }
        if route.depth.rule.numbered_line {
            return;
        }
        let after = (world.counters(0), world.counters(1));
        assert_eq!(after.0.resyncs, before.0.resyncs, "{}", world.place());
        assert_eq!(after.1.resyncs, before.1.resyncs, "{}", world.place());
        assert_paced(&world);
    });
}
