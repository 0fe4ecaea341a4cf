//! How far a generation is. Fractions never go back, and the callback may stop the work.

use std::ops::ControlFlow;

use super::GenerateError;

/// How far a generation is.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// What is being done.
    pub step: Step,
    /// The share of the whole work that is done, from 0 to 1.
    pub fraction: f32,
}

/// A step of a generation, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Step {
    /// The photo is decoded.
    Decode,
    /// The height of each point is computed.
    Height,
    /// The surface is built.
    Mesh,
    /// The texture is encoded.
    Texture,
    /// The file is written.
    Write,
}

impl Step {
    /// Returns the name as progress reports show it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Height => "height",
            Self::Mesh => "mesh",
            Self::Texture => "texture",
            Self::Write => "write",
        }
    }

    /// Returns where this step starts and ends in the whole work, by typical durations.
    const fn span(self) -> (f32, f32) {
        match self {
            Self::Decode => (0.0, 0.15),
            Self::Height => (0.15, 0.6),
            Self::Mesh => (0.6, 0.75),
            Self::Texture => (0.75, 0.95),
            Self::Write => (0.95, 1.0),
        }
    }
}

/// Passes progress on to the caller's callback.
pub(super) struct Reporter<'a> {
    callback: &'a mut dyn FnMut(Progress) -> ControlFlow<()>,
}

impl<'a> Reporter<'a> {
    pub(super) fn new(callback: &'a mut dyn FnMut(Progress) -> ControlFlow<()>) -> Self {
        Self { callback }
    }

    /// Reports that `share` (0 to 1) of `step` is done; an error if the caller wants no more.
    pub(super) fn report(&mut self, step: Step, share: f32) -> Result<(), GenerateError> {
        let (start, end) = step.span();
        let fraction = start + (end - start) * share.clamp(0.0, 1.0);
        match (self.callback)(Progress { step, fraction }) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(GenerateError::cancelled()),
        }
    }
}
