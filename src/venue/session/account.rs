//! One connection for orders: its requests, what is told besides, and what goes wrong with both.

use super::Broken;
use crate::base::{Nanos, UnixNanos};
use crate::exchange::mirror::{AccountSession, Asks, Market, Report};
use crate::venue::faults::Fault;
use crate::venue::simulated::{News, Venue};
use std::collections::VecDeque;
use std::net::IpAddr;

/// Reports that a fault may tell again.
const TOLD_MAX: usize = 200;

/// A connection for orders.
pub(super) struct Account {
    session: Box<dyn AccountSession>,
    /// Whose it is.
    from: IpAddr,
    /// The newest report that it saw.
    seen: u64,
    /// The newest reports that it was told.
    told: VecDeque<String>,
    /// Frames that are late, and when they come.
    late: Vec<(Nanos, String)>,
    /// How it ends next.
    ends: Option<Broken>,
}

impl Account {
    /// A connection of this address.
    pub(super) fn new(session: Box<dyn AccountSession>, from: IpAddr) -> Self {
        Self {
            session,
            from,
            seen: 0,
            told: VecDeque::new(),
            late: Vec::new(),
            ends: None,
        }
    }

    /// Answers a request, and tells what that caused right before or right after the answer.
    pub(super) fn handle_text(
        &mut self,
        now: Nanos,
        text: &str,
        venue: &mut Venue,
        out: &mut Vec<String>,
    ) -> Result<(), Broken> {
        venue.visit(self.from);
        let asks = self.session.asks(text);
        let fault = venue.faults.get_mut().take(asks);
        match fault {
            Some(Fault::Swallowed) => return Ok(()),
            Some(Fault::HalfOpen) => return Err(Broken::HalfOpen),
            Some(Fault::Refused(why)) => {
                out.push(self.session.refuse(text, why, venue.now()));
                return Ok(());
            }
            Some(Fault::FilledFirst) => venue.sweep(false),
            Some(Fault::HalfFilledFirst) => venue.sweep(true),
            _ => {}
        }
        let mut answers = Vec::new();
        self.session.handle_text(text, venue, &mut answers);
        let caused = venue.caused(self.seen);
        let mut first = !caused.is_empty() && venue.tells_first();
        let mut told = self.told_of(&caused, venue);
        match fault {
            Some(Fault::Answered(why)) => {
                answers = vec![self.session.refuse(text, why, venue.now())];
            }
            Some(Fault::AnswerLost) => answers.clear(),
            Some(Fault::AnswerLate(by)) => self.delay(now + by, &mut answers),
            Some(Fault::AnswerTwice) => answers.extend(answers.clone()),
            Some(Fault::ReportsFirst) => first = true,
            other => self.spoil(other, now, &mut told),
        }
        if first {
            std::mem::swap(&mut answers, &mut told);
        }
        out.append(&mut answers);
        out.append(&mut told);
        match fault {
            Some(Fault::Cut(bytes)) => Err(Broken::Cut(bytes)),
            _ => Ok(()),
        }
    }

    /// Tells of what others caused.
    pub(super) fn handle_news(&mut self, news: &News, venue: &Venue, out: &mut Vec<String>) {
        for event in &news.events {
            self.session.handle_event(event, venue, out);
        }
        let now = venue.nanos(venue.now());
        let mut told = self.told_of(&news.reports, venue);
        if told.is_empty() {
            return;
        }
        match venue.faults.borrow_mut().take(Asks::Report) {
            Some(Fault::HalfOpen) => {
                told.clear();
                self.ends = Some(Broken::HalfOpen);
            }
            Some(Fault::Cut(_)) => {
                told.clear();
                self.ends = Some(Broken::Cut(0));
            }
            other => self.spoil(other, now, &mut told),
        }
        out.append(&mut told);
    }

    /// Tells what is late, and ends if it must.
    pub(super) fn handle_timeout(
        &mut self,
        now: Nanos,
        unix: UnixNanos,
        out: &mut Vec<String>,
    ) -> Result<(), Broken> {
        if let Some(ends) = self.ends.take() {
            return Err(ends);
        }
        if self.session.poll_timeout().is_some_and(|due| due <= unix) {
            let done = self.session.handle_timeout(unix, out);
            done.map_err(Broken::Offence)?;
        }
        let due = |(at, _): &mut (Nanos, String)| *at <= now;
        out.extend(self.late.extract_if(.., due).map(|(_, frame)| frame));
        Ok(())
    }

    /// When something is due.
    pub(super) fn poll_timeout(&self, venue: &Venue) -> Nanos {
        match self.ends {
            Some(_) => Nanos::ZERO,
            None => {
                let late = self.late.iter().map(|(at, _)| *at);
                let own = self.session.poll_timeout().map(|due| venue.nanos(due));
                late.chain(own).min().unwrap_or(Nanos::NEVER)
            }
        }
    }

    /// What this client is told of these reports, each once.
    fn told_of(&mut self, reports: &[Report], venue: &Venue) -> Vec<String> {
        let mut told = Vec::new();
        for report in reports.iter().filter(|report| report.number > self.seen) {
            self.session.handle_report(report, venue, &mut told);
        }
        let newest = reports.last().map_or(0, |report| report.number);
        self.seen = self.seen.max(newest);
        let room = TOLD_MAX.saturating_sub(told.len());
        while self.told.len() > room {
            self.told.pop_front();
        }
        self.told.extend(told.iter().take(TOLD_MAX).cloned());
        told
    }

    /// Does to reports what a fault wants.
    fn spoil(&mut self, fault: Option<Fault>, now: Nanos, told: &mut Vec<String>) {
        match fault {
            Some(Fault::ReportsLost) => told.clear(),
            Some(Fault::ReportsLate(by)) => self.delay(now + by, told),
            Some(Fault::ReportsTwice) => told.extend(told.clone()),
            Some(Fault::Replayed(count)) => {
                let skip = self.told.len().saturating_sub(count);
                told.extend(self.told.iter().skip(skip).cloned());
            }
            _ => {}
        }
    }

    fn delay(&mut self, until: Nanos, frames: &mut Vec<String>) {
        self.late
            .extend(frames.drain(..).map(|frame| (until, frame)));
    }
}
