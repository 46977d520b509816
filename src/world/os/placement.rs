//! Which lane runs on which worker, and which worker on which CPU. Decides from the CPUs that the
//! process may use, so that `taskset` and cpusets rule; pins nothing itself.

use std::fmt;

/// How a worker waits for work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Never leaves its CPU: fastest, and needs one for itself.
    Spin,
    /// Sleeps in the kernel until there is input.
    Park,
}

/// How the user wants workers to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitChoice {
    /// Spin, whatever the CPUs.
    Spin,
    /// Park, whatever the CPUs.
    Park,
    /// Spin where every worker has a CPU of its own and one is left for the system, else park.
    Auto,
}

impl Wait {
    /// `spin` or `park`, as reports write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spin => "spin",
            Self::Park => "park",
        }
    }
}

/// One worker's lanes, in the order in which it runs them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerPlan {
    /// The CPU to pin it to, by the kernel's own number.
    pub cpu: usize,
    /// Indices of feed connections.
    pub feeds: Vec<usize>,
    /// It runs the desk.
    pub desk: bool,
    /// It runs the gateway.
    pub gateway: bool,
}

impl WorkerPlan {
    /// Its lanes as a person reads them: `feed 0, feed 1, gateway`.
    pub fn lanes(&self) -> Vec<String> {
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
pub struct Placement {
    /// By worker number.
    pub workers: Vec<WorkerPlan>,
    /// How all of them wait.
    pub wait: Wait,
    /// Why this way of waiting was chosen.
    pub reason: String,
}

/// Folds `feeds` feed lanes, the desk, and the gateway (unless orders stay on paper) onto `cpus`.
///
/// One CPU: everything on one worker, in run-to-completion order. Two: feeds and gateway / desk.
/// More: the desk on one, the feeds spread over the rest, and the gateway on a worker of its own
/// where a CPU would stay free, else beside the feeds.
///
/// # Panics
/// When `cpus` is empty: a process without a CPU does not run.
pub fn place(cpus: &[usize], feeds: usize, gateway: bool, choice: WaitChoice) -> Placement {
    assert!(
        !cpus.is_empty(),
        "the affinity mask of a running process is not empty"
    );
    let mut workers = Vec::new();
    let worker = |cpu| WorkerPlan {
        cpu,
        feeds: Vec::new(),
        desk: false,
        gateway: false,
    };
    if cpus.len() == 1 {
        workers.push(WorkerPlan {
            cpu: cpus[0],
            feeds: (0..feeds).collect(),
            desk: true,
            gateway,
        });
    } else {
        let own_gateway = gateway && cpus.len() > feeds.max(1) + 2;
        let feed_workers = feeds.clamp(1, cpus.len() - 1 - usize::from(own_gateway));
        workers.extend(cpus[..feed_workers].iter().map(|&cpu| worker(cpu)));
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
    }
    let (wait, reason) = choose(choice, workers.len(), cpus.len());
    Placement {
        workers,
        wait,
        reason,
    }
}

fn choose(choice: WaitChoice, workers: usize, cpus: usize) -> (Wait, String) {
    let have = format!("{workers} worker(s) on {cpus} CPU(s)");
    match choice {
        WaitChoice::Spin => (Wait::Spin, format!("spin was asked for: {have}")),
        WaitChoice::Park => (Wait::Park, format!("park was asked for: {have}")),
        WaitChoice::Auto if cpus > workers => (
            Wait::Spin,
            format!("auto: {have}, so that one is left for the system"),
        ),
        WaitChoice::Auto => (
            Wait::Park,
            format!("auto: {have}, none to spare for the system"),
        ),
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

    #[test]
    fn one_cpu_runs_everything_to_completion_on_one_parked_worker() {
        let placement = place(&[3], 2, true, WaitChoice::Auto);
        assert_eq!(lanes(&placement), ["3: feed 0+feed 1+desk+gateway"]);
        assert_eq!(placement.wait, Wait::Park);
    }

    #[test]
    fn two_cpus_keep_feeds_and_gateway_apart_from_the_desk() {
        let placement = place(&[0, 1], 3, true, WaitChoice::Auto);
        assert_eq!(
            lanes(&placement),
            ["0: feed 0+feed 1+feed 2+gateway", "1: desk"]
        );
        assert_eq!(placement.wait, Wait::Park);
    }

    #[test]
    fn more_cpus_give_each_feed_a_worker_and_leave_one_to_the_system() {
        let placement = place(&[2, 4, 6, 8, 10], 2, true, WaitChoice::Auto);
        assert_eq!(
            lanes(&placement),
            ["2: feed 0", "4: feed 1", "6: desk", "8: gateway"]
        );
        assert_eq!(placement.wait, Wait::Spin);
    }

    #[test]
    fn more_feeds_than_cpus_are_spread_evenly() {
        let placement = place(&[0, 1, 2], 5, false, WaitChoice::Auto);
        assert_eq!(
            lanes(&placement),
            ["0: feed 0+feed 2+feed 4", "1: feed 1+feed 3", "2: desk"]
        );
        assert_eq!(placement.wait, Wait::Park);
    }

    #[test]
    fn every_lane_has_exactly_one_place_whatever_the_host() {
        for cpus in 1..12 {
            for feeds in 0..14 {
                for gateway in [false, true] {
                    let ids: Vec<usize> = (0..cpus).collect();
                    let placement = place(&ids, feeds, gateway, WaitChoice::Auto);
                    let mut placed: Vec<String> = placement
                        .workers
                        .iter()
                        .flat_map(WorkerPlan::lanes)
                        .collect();
                    placed.sort();
                    assert_eq!(
                        placed.len(),
                        feeds + 1 + usize::from(gateway),
                        "{placement}"
                    );
                    placed.dedup();
                    assert_eq!(
                        placed.len(),
                        feeds + 1 + usize::from(gateway),
                        "{placement}"
                    );
                    assert!(placement.workers.len() <= cpus, "{placement}");
                }
            }
        }
    }

    #[test]
    fn what_was_asked_for_is_what_is_done() {
        assert_eq!(place(&[0], 1, true, WaitChoice::Spin).wait, Wait::Spin);
        let many: Vec<usize> = (0..16).collect();
        assert_eq!(place(&many, 1, true, WaitChoice::Park).wait, Wait::Park);
    }
}
