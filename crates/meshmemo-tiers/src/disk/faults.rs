//! Faults that tests put into the file layer, and the record of what it did.

use std::io;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use super::fs::Op;

/// The plan of a test: which call fails, and how, and which one waits. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    plan: Arc<Mutex<Plan>>,
    released: Arc<Condvar>,
}

#[derive(Debug, Default)]
struct Plan {
    ops: Vec<Op>,
    /// How many calls go well, and what all later ones fail with.
    fault: Option<(usize, i32)>,
    /// Which calls the fault is for; all, if empty.
    only: Vec<Op>,
    /// Which calls wait until they are let go on.
    held: Option<Op>,
}

impl Faults {
    /// Lets every call fail with an error of the operating system that comes after `good` more.
    pub fn set(&self, good: usize, errno: i32) {
        let mut plan = self.plan.lock();
        plan.fault = Some((good, errno));
        plan.only.clear();
    }

    /// Lets every call of some kinds fail.
    pub fn set_only(&self, only: &[Op], errno: i32) {
        let mut plan = self.plan.lock();
        plan.fault = Some((0, errno));
        plan.only = only.to_vec();
    }

    /// Lets every call of a kind wait until it is [released](Self::release).
    pub fn hold(&self, op: Op) {
        self.plan.lock().held = Some(op);
    }

    /// Lets the calls that wait go on.
    pub fn release(&self) {
        self.plan.lock().held = None;
        self.released.notify_all();
    }

    /// Lets every call go well again; returns whether one has failed.
    pub fn clear(&self) -> bool {
        let fault = self.plan.lock().fault.take();
        matches!(fault, Some((0, _)))
    }

    /// Takes the record of the calls made since it was last taken.
    pub fn take_ops(&self) -> Vec<Op> {
        std::mem::take(&mut self.plan.lock().ops)
    }

    pub(super) fn before(&self, op: Op) -> io::Result<()> {
        let mut plan = self.plan.lock();
        plan.ops.push(op);
        self.released.wait_while(&mut plan, |plan| plan.held == Some(op));
        let Plan { fault, only, .. } = &mut *plan;
        match fault {
            Some((good, errno)) if only.is_empty() || only.contains(&op) => match good {
                0 => Err(io::Error::from_raw_os_error(*errno)),
                good => {
                    *good -= 1;
                    Ok(())
                }
            },
            _ => Ok(()),
        }
    }
}
