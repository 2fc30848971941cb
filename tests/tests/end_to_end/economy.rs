//! Tests of a whole economy: prepay, pay, settle, close, reconcile; and of a chain that becomes unreachable.

use std::time::{Duration, Instant};

use farthing_cli::dev::progress::Progress;
use farthing_cli::dev::{self, Options};
use farthing_client::payer::PayerError;
use farthing_client::paying_client::PayError;
use farthing_tests::end_to_end::raw::{Answered, RawClient, signed, voucher};
use farthing_tests::end_to_end::world::{CAP, FundedWorld, ask, cost};
use futures_util::future::join_all;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_paid_for_arrives_to_the_base_unit() {
    let setting = FundedWorld::start(&Options::default(), |_| ()).await;
    let first = setting.client(0).await;
    let whole = ask(&first, setting.chat("What is a lane?", false)).await;
    assert_eq!(whole.status, 200);
    let streamed = ask(&first, setting.chat("What is a lane?", true)).await;
    assert!(String::from_utf8_lossy(&streamed.body).contains("data: [DONE]"));
    // The same question has the same usage, and so the same price, in either form.
    assert_eq!(cost(&whole), cost(&streamed));
    assert!(cost(&whole) > 0);

    // Many requests in flight on one lane.
    let second = setting.client(1).await;
    let requests = (0..20).map(|number| {
        let body = setting.chat(&format!("Question {number}?"), number % 2 == 0);
        ask(&second, body)
    });
    let many: u64 = join_all(requests).await.iter().map(cost).sum();
    assert_eq!(setting.charged(), cost(&whole) + cost(&streamed) + many);
    setting.close_and_reconcile().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_ends_at_its_cap_and_its_neighbour_goes_on() {
    let setting = FundedWorld::start(&Options::default(), |_| ()).await;
    let (first, second) = (setting.client(0).await, setting.client(1).await);
    // Asks for answers whose maxima add up to more than the cap, until the client itself refuses.
    let refusal = loop {
        let body = setting.chat(&"A long question. ".repeat(2_000), false);
        match first.chat(body).await {
            Ok(answer) => drop(answer.finish().await.expect("the answer is whole")),
            Err(error) => break error,
        }
    };
    assert!(
        matches!(refusal, PayError::Lane(PayerError::CapReached { .. })),
        "{refusal}"
    );
    assert!(setting.charged() <= CAP.0);
    ask(&second, setting.chat("Still there?", false)).await;
    setting.close_and_reconcile().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_chain_nothing_is_sold() {
    let setting = FundedWorld::start(&Options::default(), |config| {
        config.chain.max_snapshot_age = Duration::from_secs(1);
    })
    .await;
    ask(&setting.client(0).await, setting.chat("Hello?", false)).await;
    let (address, economy) = (setting.funded.address, &setting.world.economy);
    let domain = economy
        .channel(&address)
        .await
        .expect("it is open")
        .header
        .domain;
    let raw = RawClient::new(&setting.world.verifier.url());
    let body = setting.chat("Hello again?", false);
    let accepted = raw.requirements(&body).await;
    setting
        .world
        .localnet
        .shutdown()
        .await
        .expect("the chain stops");

    let deadline = Instant::now() + Duration::from_secs(20);
    let mut authorized = 100_000;
    loop {
        authorized += 1;
        let payment = signed(
            address,
            voucher(domain, authorized),
            &setting.funded.keys[0],
        );
        let answered = raw.pay(&body, &accepted, &payment).await;
        if answered.status != 200 {
            assert_eq!(answered, Answered::new(503, "chain_unavailable"));
            break;
        }
        // Until the last snapshot is too old it may still be relied on.
        assert!(
            Instant::now() < deadline,
            "it sells without knowing the chain"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swarm_reconciles() {
    let started = Instant::now();
    let folder = tempfile::tempdir().expect("a temporary directory");
    let options = Options {
        // More lanes than open_channel has room for.
        agents: 24,
        requests: 5,
        ..Options::default()
    };
    let (world, report) = dev::run(&options, folder.path(), started, &Progress::hidden())
        .await
        .expect("it runs to its end");
    assert_eq!(report.failures, Vec::<String>::new());
    let figures = report.figures;
    assert!(figures.reconciles(), "{figures:?}");
    assert_eq!((figures.agents, figures.requests_ok), (24, 120));
    assert!(figures.streamed * 10 >= figures.requests_ok * 4);
    assert!(
        figures.settle_transactions >= 3,
        "at most 10 claims fit one"
    );
    world.shutdown().await.expect("everything stops");
}
