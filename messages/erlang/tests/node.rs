//! Calls to real Erlang nodes.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use chatcluster_config::Role;
use chatcluster_erlang::{CallError, Node, Settings, Term};
use chatcluster_runtime::tls::RoleCertificate;
use chatcluster_testkit::{
    certificates::Certificates,
    erlang::{COOKIE, ErlangNode, TICK_TIME},
    wait_for, wait_until,
};
use tokio::{net::TcpListener, time::Instant};

const SECOND: Duration = Duration::from_secs(1);

/// Far beyond what a call takes that is answered.
const ANSWERED: Duration = Duration::from_secs(20);

/// Far beyond what starting a node takes on a busy machine.
const START: Duration = Duration::from_secs(30);

fn settings(node: &ErlangNode) -> Settings {
    Settings { tick_time: TICK_TIME, ..Settings::new(node.address(), COOKIE) }
}

/// A node that is there, and a client of it.
async fn connected() -> (ErlangNode, Node) {
    let erlang = ErlangNode::start();
    let node = Node::new(settings(&erlang));
    node.connected(START).await.expect("the node answers");
    (erlang, node)
}

/// Why there is no connection, once an attempt has failed.
async fn refusal(settings: Settings) -> String {
    let node = Node::new(settings);
    let refused = wait_for("an attempt has failed", START, async || {
        match node.connected(SECOND / 10).await {
            Err(CallError::Unconnected(why)) if !why.contains("under way") => Some(why),
            Err(_) => None,
            Ok(()) => panic!("connected"),
        }
    });
    refused.await
}

async fn plus(node: &Node, a: i64, b: i64, within: Duration) -> Result<Term, CallError> {
    node.call("erlang", "+", &[Term::from(a), Term::from(b)], within).await
}

fn atoms(names: &[&'static str]) -> Term {
    Term::List(names.iter().map(|name| Term::atom(*name)).collect())
}

#[tokio::test]
async fn functions_return_what_they_return_and_raise_what_they_raise() {
    let (erlang, node) = connected().await;
    assert_eq!(node.name(), Some(erlang.name()));
    assert_eq!(plus(&node, 2, 3, ANSWERED).await, Ok(Term::from(5)));

    let raised = |call: Result<Term, CallError>| match call {
        Err(CallError::Raised(raised)) => (raised.class, format!("{:?}", raised.reason)),
        other => panic!("{other:?}"),
    };
    let sum = node.call("erlang", "+", &[Term::atom("a"), Term::from(1)], ANSWERED).await;
    assert_eq!(raised(sum), ("error".into(), "badarith".into()));
    let thrown = node.call("erlang", "throw", &[Term::atom("up")], ANSWERED).await;
    assert_eq!(raised(thrown), ("throw".into(), "up".into()));
    let ended = node.call("erlang", "exit", &[Term::atom("normal")], ANSWERED).await;
    assert_eq!(raised(ended), ("exit".into(), "normal".into()));
    let unknown = node.call("no_such_module", "f", &[], ANSWERED).await;
    assert_eq!(raised(unknown), ("error".into(), "undef".into()));
    assert_eq!(plus(&node, 1, 1, ANSWERED).await, Ok(Term::from(2)), "and it goes on");
}

/// Erlang encodes and decodes each of these itself, by `binary_to_term` of what we send as bytes.
#[tokio::test]
async fn terms_come_back_as_they_went() {
    let (_erlang, node) = connected().await;
    let number = |n: i64| Term::from(n);
    let terms = [
        Term::atom("ok"),
        Term::atom("größer"),
        Term::List((0..300).map(number).collect()),
        Term::List(vec![]),
        Term::Tuple((0..300).map(number).collect()),
        Term::Map(vec![(Term::atom("k"), Term::from(vec![0, 255, 7]))]),
        Term::Binary(Bytes::from(vec![7; 3 << 20])),
        Term::Float(-1.5),
        Term::Tuple([i64::MIN, i64::MAX, -1, 256, 1 << 31].map(number).to_vec()),
    ];
    for term in terms {
        let same = node.call("erlang", "hd", &[Term::List(vec![term.clone()])], ANSWERED).await;
        assert_eq!(same.as_ref(), Ok(&term));
        let equal = [term.clone(), same.unwrap()];
        assert_eq!(node.call("erlang", "=:=", &equal, ANSWERED).await, Ok(Term::atom("true")));
    }
    // What we do not look into can be handed back: a pid, a function, a number of 100 bits.
    let own = node.call("erlang", "whereis", &[Term::atom("init")], ANSWERED).await.unwrap();
    let name = [own, Term::atom("registered_name")];
    let named = node.call("erlang", "process_info", &name, ANSWERED).await;
    let pair = vec![Term::atom("registered_name"), Term::atom("init")];
    assert_eq!(named, Ok(Term::Tuple(pair)));
    let large = node.call("erlang", "bsl", &[Term::from(1), Term::from(100)], ANSWERED).await;
    let small = node.call("erlang", "bsr", &[large.unwrap(), Term::from(99)], ANSWERED).await;
    assert_eq!(small, Ok(Term::from(2)));
    let export = [Term::atom("lists"), Term::atom("reverse"), Term::from(1)];
    let function = node.call("erlang", "make_fun", &export, ANSWERED).await.unwrap();
    let arguments = Term::List(vec![atoms(&["a", "b"])]);
    let reversed = node.call("erlang", "apply", &[function, arguments], ANSWERED).await;
    assert_eq!(reversed, Ok(atoms(&["b", "a"])));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_are_pipelined_and_each_gets_its_own_answer() {
    const CALLS: i64 = 20_000;
    const TOGETHER: i64 = 256;
    let (_erlang, node) = connected().await;
    let node = Arc::new(node);
    let began = Instant::now();
    let callers = (0..TOGETHER).map(|caller| {
        let node = node.clone();
        tokio::spawn(async move {
            for n in (caller..CALLS).step_by(TOGETHER as usize) {
                assert_eq!(plus(&node, n, 1, ANSWERED).await, Ok(Term::from(n + 1)));
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    let rate = CALLS as f64 / began.elapsed().as_secs_f64();
    println!("{rate:.0} calls a second");
    // Slow calls do not hold up others.
    let long = [Term::from(5_000)];
    let slow = node.call("timer", "sleep", &long, ANSWERED);
    let fast = async { (plus(&node, 1, 2, ANSWERED).await, Instant::now()) };
    let (slow, (fast, at)) = tokio::join!(slow, fast);
    assert_eq!((slow, fast), (Ok(Term::atom("ok")), Ok(Term::from(3))));
    assert!(at.elapsed() > SECOND, "the fast call waited for the slow one");
}

#[tokio::test]
async fn a_deadline_ends_a_call_and_nothing_else() {
    let (mut erlang, node) = connected().await;
    let hour = [Term::from(3_600_000)];
    let late = node.call("timer", "sleep", &hour, SECOND / 10).await;
    assert_eq!(late, Err(CallError::Deadline));
    assert_eq!(plus(&node, 1, 1, ANSWERED).await, Ok(Term::from(2)));

    // A node that has stopped: calls end by their deadlines until its silence is long enough.
    erlang.process().pause();
    assert_eq!(plus(&node, 1, 1, SECOND / 10).await, Err(CallError::Deadline));
    let lost = wait_for("the connection is given up", 4 * TICK_TIME, async || {
        plus(&node, 1, 1, SECOND).await.err().filter(|error| *error != CallError::Deadline)
    });
    let lost = lost.await;
    let silent = "the node was silent".to_owned();
    let unconnected = matches!(&lost, CallError::Unconnected(_));
    assert!(lost == CallError::Lost(silent) || unconnected, "{lost}");
    erlang.process().resume();
    wait_until("it is connected again", START, async || {
        plus(&node, 1, 1, SECOND).await == Ok(Term::from(2))
    })
    .await;
}

#[tokio::test]
async fn what_is_under_way_is_bounded() {
    let (mut erlang, node) = connected().await;
    let node = Arc::new(node);
    let too_large = Term::Binary(Bytes::from(vec![0; 20 << 20]));
    let refused = node.call("erlang", "byte_size", &[too_large], SECOND).await;
    assert!(matches!(refused, Err(CallError::TooLarge(_))), "{refused:?}");

    // 64 MiB are on their way to a node that takes nothing. More waits, and is not sent.
    erlang.process().pause();
    let large = Term::Binary(Bytes::from(vec![0; 15 << 20]));
    let call = |within| {
        let (node, large) = (node.clone(), large.clone());
        tokio::spawn(async move { node.call("erlang", "byte_size", &[large], within).await })
    };
    let first: Vec<_> = (0..4).map(|_| call(ANSWERED)).collect();
    tokio::time::sleep(SECOND / 5).await;
    assert_eq!(call(SECOND / 2).await.unwrap(), Err(CallError::Overloaded));
    erlang.process().resume();
    for call in first {
        assert_eq!(call.await.unwrap(), Ok(Term::from(15 << 20)));
    }
    assert_eq!(call(ANSWERED).await.unwrap(), Ok(Term::from(15 << 20)));
}

/// Both sides tell each other that they live.
#[tokio::test]
async fn a_connection_that_is_not_used_lasts() {
    let (_erlang, node) = connected().await;
    let own = [Term::atom("hidden")];
    let clients = async || node.call("erlang", "nodes", &own, ANSWERED).await;
    let before = clients().await;
    tokio::time::sleep(2 * TICK_TIME).await;
    assert_eq!(clients().await, before, "the node has given us another name since");
    assert!(matches!(before, Ok(Term::List(clients)) if clients.len() == 1));
}

#[tokio::test]
async fn a_node_that_dies_ends_its_calls_and_is_found_again() {
    let (mut erlang, node) = connected().await;
    let hour = [Term::from(3_600_000)];
    let asleep = node.call("timer", "sleep", &hour, 60 * SECOND);
    let killed = async {
        tokio::time::sleep(SECOND / 5).await;
        erlang.process().kill();
    };
    let (asleep, ()) = tokio::join!(asleep, killed);
    assert!(matches!(asleep, Err(CallError::Lost(_))), "{asleep:?}");
    let gone = wait_for("it is known to be gone", START, async || {
        plus(&node, 1, 1, SECOND).await.err().filter(|e| matches!(e, CallError::Unconnected(_)))
    });
    println!("{}", gone.await);
    erlang.restart(true);
    node.connected(START).await.unwrap();
    assert_eq!(plus(&node, 1, 1, ANSWERED).await, Ok(Term::from(2)));
}

#[tokio::test]
async fn both_sides_are_told_apart_by_the_cookie() {
    let (erlang, _node) = connected().await;
    let settings = Settings { cookie: "another".into(), ..settings(&erlang) };
    assert!(!format!("{settings:?}").contains("another"));
    assert_eq!(refusal(settings).await, "the cookies differ");
}

#[tokio::test]
async fn what_is_no_erlang_node_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"\0\x05HTTP/1.1").await;
        }
    });
    let why = refusal(Settings::new(address, COOKIE)).await;
    assert!(why.contains("it is no Erlang node that we can talk to"), "{why}");
}

#[tokio::test]
async fn over_tls_both_sides_prove_who_they_are() {
    let certificates = Certificates::new().unwrap();
    let of = |certificates: &Certificates, role| {
        let name = format!("{}-node", Role::as_str(role));
        RoleCertificate::load(&certificates.role(&name, role).unwrap()).unwrap()
    };
    let files = certificates.role("node", Role::Database).unwrap();
    let erlang = ErlangNode::start_with_tls(&files, Role::Messages);
    let connector = |own: &RoleCertificate, to| Some(own.connector(to, &[]).unwrap());

    let ours = of(&certificates, Role::Messages);
    let tls = connector(&ours, Role::Database);
    let node = Node::new(Settings { tls, ..settings(&erlang) });
    node.connected(START).await.unwrap();
    assert_eq!(plus(&node, 2, 3, ANSWERED).await, Ok(Term::from(5)));
    let large = Term::Binary(Bytes::from(vec![1; 3 << 20]));
    let size = node.call("erlang", "byte_size", &[large], ANSWERED).await;
    assert_eq!(size, Ok(Term::from(3 << 20)));

    // A node of another role is not taken for one of these; a stranger's certificate is refused, and one of the same
    // authority that is a gateway's.
    let strangers = Certificates::new().unwrap();
    let gateway = of(&certificates, Role::Gateway);
    let refused = [
        Settings { tls: connector(&ours, Role::Gateway), ..settings(&erlang) },
        Settings {
            tls: connector(&of(&strangers, Role::Messages), Role::Database),
            ..settings(&erlang)
        },
        Settings { tls: connector(&gateway, Role::Database), ..settings(&erlang) },
        settings(&erlang),
    ];
    for settings in refused {
        println!("{}", refusal(settings).await);
    }
}
