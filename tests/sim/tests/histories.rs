//! Many seeds. A failure names its seed: `FAK_SIM_SEED=<seed> cargo test -p fak-sim` runs that one alone.

use fak_sim::{World, run};

/// Histories of one run; `FAK_SIM_SEEDS` asks for more.
const SEEDS: u64 = 300;
const STEPS: usize = 600;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn every_history_holds() {
    let seeds = match number("FAK_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("FAK_SIM_SEEDS").unwrap_or(SEEDS),
    };
    let alone = number("FAK_SIM_SEED").is_some();
    let (mut answers, mut admitted, mut limited, mut relieved) = (0, 0, 0, 0);
    for seed in seeds {
        let world: World =
            run(seed, STEPS).unwrap_or_else(|what| panic!("FAK_SIM_SEED={seed}: {what}"));
        answers += world.answers.len();
        admitted += world.executed.len();
        let by_emergency = |(_, by): &&(_, String)| by.as_str() == fak_kernel::BY_EMERGENCY;
        relieved += world.executed.iter().filter(by_emergency).count();
        limited += world
            .answers
            .iter()
            .filter(|a| a.draft.reason == "RATE_LIMITED")
            .count();
    }
    // A simulation that meets no bound tests nothing.
    let met = admitted > answers / 20 && limited > answers / 20 && relieved > answers / 100;
    assert!(
        alone || met,
        "{answers} answers, {admitted} admitted, {relieved} by emergency, {limited} rate limited"
    );
}

#[test]
fn a_seed_is_a_history() {
    let rows = |seed| {
        let world = run(seed, STEPS).expect("holds");
        world.disk.records(0).collect::<Vec<_>>()
    };
    assert_eq!(rows(7), rows(7));
    assert_ne!(rows(7), rows(8));
}
