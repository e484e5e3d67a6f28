//! The daemon and what happens to it.

use std::sync::Arc;

use fak_chain::Draft;
use fak_kernel::{
    BY_EMERGENCY, Decision, Emergency, Judgement, Kernel, Snapshot, Timestamp, emergency_begin,
    emergency_end,
};
use fak_policy::NoWorld;
use fak_types::Verdict;

use crate::{
    callers::{Ask, POLICIES, limits},
    disk::Disk,
    random::Random,
};

/// What may go wrong in a history.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    /// The disk fills up and empties.
    pub disk: bool,
    /// The clock is set forward and back.
    pub clock: bool,
    /// The daemon is killed.
    pub crash: bool,
}

/// A call on its way.
#[derive(Debug)]
enum InFlight {
    /// Judged under the policy of its time, not yet settled.
    Judged(Ask, Box<Judgement>),
    /// Settled; its row is not durable yet.
    Settled(Ask, Box<Decision>),
}

/// A verdict that left.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The call.
    pub ask: Ask,
    /// The verdict.
    pub verdict: Verdict,
    /// Its row.
    pub draft: Draft,
    /// The place of its row.
    pub seq: u64,
}

/// Everything there is.
#[derive(Debug)]
pub struct World {
    /// What may go wrong.
    pub faults: Faults,
    /// The kernel.
    pub kernel: Kernel,
    /// What survives a kill.
    pub disk: Disk,
    /// Every verdict that left, in order.
    pub answers: Vec<Answer>,
    /// Calls the callers went on to run, and what admitted each.
    pub executed: Vec<(Ask, String)>,
    /// Whether a decision was taken back since the last start.
    pub retracted: bool,
    /// Times at which the clock was set; windows across them count nothing.
    pub clock_set: Vec<usize>,
    /// Whether an emergency admitted a call after the time it was granted.
    pub outlived: bool,
    random: Random,
    now: Timestamp,
    /// Microseconds that really passed, on a clock nobody sets.
    passed: u64,
    /// When, on that clock, the emergency is over.
    empty_at: Option<u64>,
    snapshot: Snapshot,
    in_flight: Vec<InFlight>,
}

impl World {
    /// A fresh machine.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let faults = Faults {
            disk: random.one_in(2),
            clock: random.one_in(2),
            crash: !random.one_in(4),
        };
        let mut world = Self {
            faults,
            kernel: Kernel::new(limits()),
            disk: Disk::default(),
            answers: Vec::new(),
            executed: Vec::new(),
            retracted: false,
            clock_set: Vec::new(),
            outlived: false,
            random,
            now: Timestamp(1_700_000_000_000_000),
            passed: 0,
            empty_at: None,
            snapshot: Snapshot::new(0, Arc::clone(&POLICIES[0])),
            in_flight: Vec::new(),
        };
        world.reload();
        world
    }

    /// One thing happens.
    pub fn step(&mut self) {
        match self.random.below(42) {
            0..14 => self.receive(),
            14..25 => self.settle_one(),
            25..34 => self.write_one(),
            34 | 35 => self.wait(),
            36 => self.set_clock(),
            37 => self.reload(),
            38 => self.change_disk(),
            39 => self.declare(),
            40 => self.mind_emergency(),
            _ => self.kill_or_save(),
        }
    }

    /// Lets every call on its way arrive, on a disk with room.
    pub fn settle_everything(&mut self) {
        self.disk.full = false;
        while !self.in_flight.is_empty() {
            self.settle_one();
            self.write_one();
        }
    }

    /// Whether no settled row waits for the disk.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        !self
            .in_flight
            .iter()
            .any(|call| matches!(call, InFlight::Settled(..)))
    }

    fn wait(&mut self) {
        let us = self.random.below(8_000_000);
        self.now.0 += us;
        self.passed += us;
    }

    /// An emergency begins or ends. Rows waiting for the disk come first, as at a reload.
    fn declare(&mut self) {
        while !self.is_quiet() {
            self.write_one();
        }
        let who = Ask::draw(&mut self.random).who();
        let lasts_us = 1 + self.random.below(20_000_000);
        let row = if self.kernel.emergency().is_some() && self.random.one_in(2) {
            self.kernel.lapse();
            emergency_end(self.now, Some(&who), "repaired")
        } else {
            emergency_begin(self.now, &who, "on fire", lasts_us)
        };
        self.declare_durably(&row, lasts_us);
    }

    /// The row first, then the effect.
    fn declare_durably(&mut self, row: &Draft, lasts_us: u64) {
        if self.disk.append(std::slice::from_ref(row)) {
            self.kernel.declare(row);
            let empty_at = self.passed + lasts_us;
            self.empty_at = self.kernel.emergency().map(|_| empty_at);
        }
    }

    /// What fakd does before each call: ends an emergency whose time has passed on either clock.
    fn mind(&mut self) {
        if self.empty_at.is_some_and(|at| self.passed >= at) {
            self.kernel.lapse();
        }
    }

    /// What fakd does now and then: writes that an emergency is over.
    fn mind_emergency(&mut self) {
        self.mind();
        if self.kernel.emergency().is_none() || self.kernel.is_emergency(self.now) {
            return;
        }
        while !self.is_quiet() {
            self.write_one();
        }
        let row = emergency_end(self.now, None, "its time had passed");
        self.declare_durably(&row, 0);
    }

    fn receive(&mut self) {
        self.mind();
        let ask = Ask::draw(&mut self.random);
        let (who, call) = (ask.who(), ask.call());
        let judgement = match self.kernel.precheck(self.now, &who, &call, &self.snapshot) {
            Some(verdict) => self.snapshot.shed(&who, &call, verdict),
            None => self.snapshot.judge(&who, &call, &NoWorld),
        };
        self.in_flight
            .push(InFlight::Judged(ask, Box::new(judgement)));
    }

    /// Calls overtake one another between judging and settling, never between settling and the disk.
    fn settle_one(&mut self) {
        let judged: Vec<usize> = (0..self.in_flight.len())
            .filter(|&at| matches!(self.in_flight[at], InFlight::Judged(..)))
            .collect();
        if judged.is_empty() {
            return;
        }
        let at = *self.random.pick(&judged);
        let InFlight::Judged(ask, judgement) = self.in_flight.remove(at) else {
            return;
        };
        self.mind();
        let decision = self
            .kernel
            .settle(self.now, &ask.who(), &ask.call(), *judgement);
        let is_late = self.empty_at.is_none_or(|at| self.passed >= at);
        self.outlived |= is_late && &*decision.verdict.by == BY_EMERGENCY;
        self.in_flight
            .push(InFlight::Settled(ask, Box::new(decision)));
    }

    fn write_one(&mut self) {
        let settled = |call: &InFlight| matches!(call, InFlight::Settled(..));
        let Some(at) = self.in_flight.iter().position(settled) else {
            return;
        };
        let InFlight::Settled(ask, decision) = self.in_flight.remove(at) else {
            return;
        };
        let Decision { verdict, draft, .. } = *decision;
        if !self.disk.append(std::slice::from_ref(&draft)) {
            // No row, no verdict: the caller hears that fakd cannot answer.
            self.kernel.retract(&draft);
            self.retracted = true;
            return;
        }
        if verdict.kind.admits() {
            self.executed.push((ask, verdict.by.as_ref().to_owned()));
        }
        self.answers.push(Answer {
            ask,
            verdict,
            draft,
            seq: self.disk.count(),
        });
    }

    fn set_clock(&mut self) {
        if self.faults.clock {
            let by = self.random.below(200_000_000);
            let forward = self.random.one_in(2);
            self.now.0 = if forward {
                self.now.0 + by
            } else {
                self.now.0 - by
            };
            self.clock_set.push(self.answers.len());
        }
    }

    /// Rows waiting for the disk come first: a generation's rows stand before those it judges.
    fn reload(&mut self) {
        while !self.is_quiet() {
            self.write_one();
        }
        if self.disk.full {
            return;
        }
        let set = Arc::clone(self.random.pick(&POLICIES));
        self.snapshot = Snapshot::new(self.kernel.generation() + 1, set);
        let rows = self.kernel.install(self.now, &self.snapshot);
        assert!(self.disk.append(&rows), "the disk has room");
    }

    fn change_disk(&mut self) {
        self.disk.full = self.faults.disk && !self.disk.full;
    }

    fn kill_or_save(&mut self) {
        if self.faults.crash && self.random.one_in(2) {
            self.kill();
        } else if self.is_quiet() && !self.retracted {
            self.disk.keep(self.kernel.snapshot());
        }
    }

    /// What was on its way is lost; what was answered is on the disk.
    fn kill(&mut self) {
        self.in_flight.clear();
        if self.random.one_in(5) {
            self.disk.tear_image();
        }
        self.kernel = self.start();
        self.retracted = false;
        // What is left by the wall clock, which is never more than was granted.
        let left = |emergency: &Emergency| emergency.left_us(self.now);
        self.empty_at = self.kernel.emergency().map(|e| self.passed + left(e));
    }

    /// The kernel a start makes of what is on the disk.
    #[must_use]
    pub fn start(&self) -> Kernel {
        let (mut kernel, skip) = self
            .disk
            .image()
            .and_then(|(image, rows)| Some((Kernel::restore(limits(), image).ok()?, rows)))
            .unwrap_or_else(|| (Kernel::new(limits()), 0));
        self.disk
            .records(skip)
            .for_each(|record| kernel.replay(&record));
        kernel
    }
}
