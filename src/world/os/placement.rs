//! Which lane runs on which worker, and which worker on which CPU. Decides from the CPUs and the
//! quota that the process may use, so that `taskset`, cpusets and containers rule; pins nothing
//! itself.

use std::fmt;

/// How a worker waits for work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Never leaves its CPU: fastest, and needs one for itself.
    Spin,
    /// Sleeps in the kernel until there is input.
    Park,
}

/// How the user wants workers to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitChoice {
    /// Spin, whatever the CPUs.
    Spin,
    /// Park, whatever the CPUs: everything on one worker.
    Park,
    /// Spin if every worker has a CPU of its own and one is left for the system, within the
    /// container's quota; else park.
    Auto,
}

impl Wait {
    /// `spin` or `park`, as reports write it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Spin => "spin",
            Self::Park => "park",
        }
    }
}

/// One worker's lanes, in the order in which it runs them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WorkerPlan {
    /// The CPU to pin it to, by the kernel's own number.
    pub(crate) cpu: usize,
    /// Indices of feed connections.
    pub(crate) feeds: Vec<usize>,
    /// It runs the desk.
    pub(crate) desk: bool,
    /// It runs the gateway.
    pub(crate) gateway: bool,
}

impl WorkerPlan {
    /// Its lanes as a person reads them: `feed 0, feed 1, gateway`.
    pub(crate) fn lanes(&self) -> Vec<String> {
        let mut lanes: Vec<String> = self
            .feeds
            .iter()
            .map(|feed| format!("feed {feed}"))
            .collect();
        if self.desk {
            lanes.push("desk".into());
        }
        if self.gateway {
            lanes.push("gateway".into());
        }
        lanes
    }
}

/// The table that a run starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placement {
    /// By worker number.
    pub(crate) workers: Vec<WorkerPlan>,
    /// How all of them wait.
    pub(crate) wait: Wait,
    /// Why this way of waiting was chosen.
    pub(crate) reason: String,
    choice: WaitChoice,
}

impl Placement {
    /// How its workers are to wait if the system leaves the process `cpus`: those that spin park
    /// while they have no CPU of their own.
    pub(crate) fn wait_with(&self, cpus: &Cpus) -> Wait {
        let enough = match self.choice {
            WaitChoice::Auto => cpus.to_spin_on() > self.workers.len(),
            WaitChoice::Spin => cpus.allowed.len() >= self.workers.len(),
            WaitChoice::Park => false,
        };
        if enough { self.wait } else { Wait::Park }
    }

    /// The CPU of each worker if the process may use `allowed`: its own, else one that no other
    /// worker has; none if there is none left.
    pub(crate) fn cpus_with(&self, allowed: &[usize]) -> Vec<Option<usize>> {
        let own = |cpu: &usize| self.workers.iter().any(|worker| worker.cpu == *cpu);
        let mut free = allowed.iter().copied().filter(|cpu| !own(cpu));
        let place = |worker: &WorkerPlan| match allowed.contains(&worker.cpu) {
            true => Some(worker.cpu),
            false => free.next(),
        };
        self.workers.iter().map(place).collect()
    }
}

/// What the system lets this process use of its CPUs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cpus {
    /// Those that it may run on, by the kernel's own numbers, ascending.
    pub(crate) allowed: Vec<usize>,
    /// Thousandths of a CPU that its container may use in the long run; none if there is no
    /// quota.
    pub(crate) quota_milli: Option<u64>,
}

impl Cpus {
    /// These, without a quota.
    #[cfg(test)]
    pub(crate) fn all(allowed: &[usize]) -> Self {
        Self {
            allowed: allowed.to_vec(),
            quota_milli: None,
        }
    }

    /// CPUs that threads may keep busy all the time without being throttled.
    fn to_spin_on(&self) -> usize {
        let quota = self.quota_milli.map_or(usize::MAX, |milli| {
            usize::try_from(milli / 1_000).unwrap_or(usize::MAX)
        });
        self.allowed.len().min(quota)
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(milli) = self.quota_milli {
            write!(
                f,
                "a quota of {}.{:02} on ",
                milli / 1_000,
                milli % 1_000 / 10
            )?;
        }
        write!(f, "{} CPU(s)", self.allowed.len())
    }
}

/// Workers that a spread road has at least: the feeds and the desk.
const APART: usize = 2;

/// Folds `feeds` feed lanes, the desk, and the gateway (unless orders stay on paper) onto `cpus`.
///
/// A run that parks has its whole road on one worker: a wake-up between two workers costs more than
/// everything that they do. A run that spins has the desk on a worker of its own, the feeds spread
/// over the others, and the gateway on a worker of its own if a CPU would stay free, else beside
/// the feeds.
///
/// # Panics
/// When no CPU is allowed: a process without one does not run.
pub(crate) fn place(cpus: &Cpus, feeds: usize, gateway: bool, choice: WaitChoice) -> Placement {
    assert!(
        !cpus.allowed.is_empty(),
        "the affinity mask of a running process is not empty"
    );
    let spare = cpus.to_spin_on().saturating_sub(1);
    let (wait, workers_max) = match choice {
        WaitChoice::Spin => (Wait::Spin, cpus.allowed.len()),
        WaitChoice::Auto if spare >= APART => (Wait::Spin, spare),
        WaitChoice::Auto | WaitChoice::Park => (Wait::Park, 1),
    };
    let workers = fold(
        &cpus.allowed[..workers_max],
        cpus.allowed.len(),
        feeds,
        gateway,
    );
    let reason = reason(choice, wait, workers.len(), cpus);
    Placement {
        workers,
        wait,
        reason,
        choice,
    }
}

/// The lanes on at most as many workers as there are in `cpus`, of `all` that may be used.
fn fold(cpus: &[usize], all: usize, feeds: usize, gateway: bool) -> Vec<WorkerPlan> {
    let worker = |cpu| WorkerPlan {
        cpu,
        feeds: Vec::new(),
        desk: false,
        gateway: false,
    };
    if cpus.len() < APART {
        return vec![WorkerPlan {
            cpu: cpus[0],
            feeds: (0..feeds).collect(),
            desk: true,
            gateway,
        }];
    }
    let lanes = feeds.max(1) + 2;
    let own_gateway = gateway && cpus.len() >= lanes && all > lanes;
    let feed_workers = feeds.clamp(1, cpus.len() - 1 - usize::from(own_gateway));
    let mut workers: Vec<WorkerPlan> = cpus[..feed_workers]
        .iter()
        .map(|&cpu| worker(cpu))
        .collect();
    for feed in 0..feeds {
        workers[feed % feed_workers].feeds.push(feed);
    }
    workers.push(WorkerPlan {
        desk: true,
        ..worker(cpus[feed_workers])
    });
    if own_gateway {
        workers.push(WorkerPlan {
            gateway,
            ..worker(cpus[feed_workers + 1])
        });
    } else {
        workers[feed_workers - 1].gateway = gateway;
    }
    workers
}

fn reason(choice: WaitChoice, wait: Wait, workers: usize, cpus: &Cpus) -> String {
    let needed = APART + 1;
    match (choice, wait) {
        (WaitChoice::Spin, _) if workers > cpus.to_spin_on() => {
            format!("spin was asked for: {workers} worker(s) with {cpus}: they will be throttled")
        }
        (WaitChoice::Spin, _) => format!("spin was asked for: {workers} worker(s) on {cpus}"),
        (WaitChoice::Park, _) => "park was asked for: the whole road on one worker".into(),
        (WaitChoice::Auto, Wait::Spin) => {
            format!("auto: {workers} worker(s) on {cpus}, so that one is left for the system")
        }
        (WaitChoice::Auto, Wait::Park) => {
            format!("auto: {cpus}, and spinning takes {needed}: the whole road on one worker")
        }
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "placement: {} ({})", self.wait.name(), self.reason)?;
        for (index, worker) in self.workers.iter().enumerate() {
            writeln!(
                f,
                "  worker {index}  cpu {:<3} {}",
                worker.cpu,
                worker.lanes().join(", ")
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lanes(placement: &Placement) -> Vec<String> {
        placement
            .workers
            .iter()
            .map(|w| format!("{}: {}", w.cpu, w.lanes().join("+")))
            .collect()
    }

    fn placed(cpus: &[usize], feeds: usize, gateway: bool, choice: WaitChoice) -> Placement {
        place(&Cpus::all(cpus), feeds, gateway, choice)
    }

    #[test]
    fn a_run_that_parks_has_its_whole_road_on_one_worker() {
        let everything = ["3: feed 0+feed 1+desk+gateway"];
        for (cpus, choice) in [
            (&[3][..], WaitChoice::Auto),
            (&[3, 4], WaitChoice::Auto),
            (&[3], WaitChoice::Park),
            (&[3, 4], WaitChoice::Park),
            (&[3, 4, 5, 6, 7, 8, 9, 10], WaitChoice::Park),
        ] {
            let placement = placed(cpus, 2, true, choice);
            assert_eq!(lanes(&placement), everything, "{cpus:?} {choice:?}");
            assert_eq!(placement.wait, Wait::Park);
            assert!(placement.reason.contains("the whole road on one worker"));
        }
    }

    #[test]
    fn auto_spins_where_every_worker_has_a_cpu_and_one_is_to_spare() {
        let placement = placed(&[2, 4, 6, 8, 10], 2, true, WaitChoice::Auto);
        assert_eq!(
            lanes(&placement),
            ["2: feed 0", "4: feed 1", "6: desk", "8: gateway"]
        );
        assert_eq!(placement.wait, Wait::Spin);
        let placement = placed(&[0, 1, 2], 5, true, WaitChoice::Auto);
        assert_eq!(
            lanes(&placement),
            ["0: feed 0+feed 1+feed 2+feed 3+feed 4+gateway", "1: desk"]
        );
        assert_eq!(placement.wait, Wait::Spin);
    }

    #[test]
    fn auto_does_not_spin_beyond_the_containers_quota() {
        let cpus = |quota_milli| Cpus {
            allowed: (0..8).collect(),
            quota_milli: Some(quota_milli),
        };
        for (quota_milli, wait, workers) in [
            (500, Wait::Park, 1),
            (2_999, Wait::Park, 1),
            (3_000, Wait::Spin, 2),
            (4_500, Wait::Spin, 3),
            (90_000, Wait::Spin, 7),
        ] {
            let placement = place(&cpus(quota_milli), 9, false, WaitChoice::Auto);
            let got = (placement.wait, placement.workers.len());
            assert_eq!(got, (wait, workers), "{quota_milli}");
        }
        let parked = place(&cpus(500), 1, false, WaitChoice::Auto).to_string();
        assert!(parked.contains("a quota of 0.50 on 8 CPU(s)"), "{parked}");
        let asked = place(&cpus(1_990), 1, false, WaitChoice::Spin);
        assert_eq!((asked.wait, asked.workers.len()), (Wait::Spin, 2));
        assert!(
            asked
                .reason
                .contains("a quota of 1.99 on 8 CPU(s): they will be throttled")
        );
    }

    #[test]
    fn more_feeds_than_cpus_are_spread_evenly_where_spin_was_asked_for() {
        let placement = placed(&[0, 1, 2], 5, false, WaitChoice::Spin);
        assert_eq!(
            lanes(&placement),
            ["0: feed 0+feed 2+feed 4", "1: feed 1+feed 3", "2: desk"]
        );
        let placement = placed(&[0, 1], 3, true, WaitChoice::Spin);
        assert_eq!(
            lanes(&placement),
            ["0: feed 0+feed 1+feed 2+gateway", "1: desk"]
        );
    }

    #[test]
    fn every_lane_has_exactly_one_place_whatever_the_host() {
        let choices = [WaitChoice::Auto, WaitChoice::Park, WaitChoice::Spin];
        for (cpus, feeds) in (1..12).flat_map(|cpus| (0..14).map(move |feeds| (cpus, feeds))) {
            for (gateway, choice) in [false, true]
                .into_iter()
                .flat_map(|g| choices.map(|c| (g, c)))
            {
                let ids: Vec<usize> = (0..cpus).collect();
                let placement = placed(&ids, feeds, gateway, choice);
                let workers = placement.workers.iter();
                let mut lanes: Vec<String> = workers.flat_map(WorkerPlan::lanes).collect();
                let all = feeds + 1 + usize::from(gateway);
                assert_eq!(lanes.len(), all, "{placement}");
                lanes.sort();
                lanes.dedup();
                assert_eq!(lanes.len(), all, "{placement}");
                let spare = usize::from(placement.wait == Wait::Spin && choice == WaitChoice::Auto);
                assert!(placement.workers.len() + spare <= cpus, "{placement}");
            }
        }
    }

    #[test]
    fn what_was_asked_for_is_what_is_done() {
        assert_eq!(placed(&[0], 1, true, WaitChoice::Spin).wait, Wait::Spin);
        let many: Vec<usize> = (0..16).collect();
        assert_eq!(placed(&many, 1, true, WaitChoice::Park).wait, Wait::Park);
    }
}
