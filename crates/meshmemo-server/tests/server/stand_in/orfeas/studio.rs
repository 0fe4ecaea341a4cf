//! What the studio has: pictures, jobs, and the files that have come of them.

use std::collections::{BTreeMap, HashMap};
use std::mem;

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::script::Turn;

/// What a job under way says: status, progress and step. It goes on by one with each look.
const STAGES: [(&str, u32, &str); 3] = [
    ("initializing", 0, "Starting 3D generation..."),
    ("processing", 25, "Processing image..."),
    ("processing", 50, "Generating 3D mesh..."),
];

/// Everything that the studio remembers.
#[derive(Debug, Default)]
pub(in super::super) struct Studio {
    uploads: HashMap<String, Upload>,
    /// Those that were generated, or are; a job of a batch is none of them.
    jobs: HashMap<String, Job>,
    /// The files in the directory of each job.
    outputs: HashMap<String, BTreeMap<String, Output>>,
    pub(super) cache_limits: CacheLimits,
    uploads_count: usize,
}

/// A picture as it was uploaded.
#[derive(Debug, Clone)]
pub(super) struct Upload {
    /// The name under which it is kept.
    pub(super) file_name: String,
    pub(super) content: Bytes,
}

#[derive(Debug)]
enum Job {
    /// How often it was looked at.
    UnderWay(usize),
    Failed(&'static str),
    /// The name of its file.
    Completed(String),
}

/// A file in a job's directory.
#[derive(Debug, Clone)]
pub(super) struct Output {
    pub(super) content: Bytes,
    pub(super) delivery: Delivery,
}

/// What comes of each download of a file.
#[derive(Debug, Clone, Copy)]
pub(super) enum Delivery {
    Whole,
    CutAfter(usize),
    Hangup,
}

impl Delivery {
    pub(super) fn of(turn: &Turn) -> Self {
        match turn {
            Turn::CutAfter(bytes) => Self::CutAfter(*bytes),
            Turn::Hangup => Self::Hangup,
            _ => Self::Whole,
        }
    }
}

impl Studio {
    /// Returns how many pictures were uploaded, those that were forgotten too.
    pub(in super::super) fn uploads_count(&self) -> usize {
        self.uploads_count
    }

    /// Loses all pictures, jobs and files; what is under way comes to nothing.
    pub(in super::super) fn forget(&mut self) {
        *self = Self { uploads_count: self.uploads_count, ..Self::default() };
    }

    pub(super) fn keep(&mut self, id: String, upload: Upload) {
        self.uploads_count += 1;
        self.uploads.insert(id, upload);
    }

    pub(super) fn upload(&self, id: &str) -> Option<&Upload> {
        self.uploads.get(id)
    }

    pub(super) fn upload_called(&self, file_name: &str) -> Option<&Upload> {
        self.uploads.values().find(|upload| upload.file_name == file_name)
    }

    pub(super) fn is_under_way(&self, id: &str) -> bool {
        matches!(self.jobs.get(id), Some(Job::UnderWay(_)))
    }

    /// Begins a job, whatever it was before; files of before stay.
    pub(super) fn begin(&mut self, id: &str) {
        self.jobs.insert(id.to_owned(), Job::UnderWay(0));
        self.outputs.entry(id.to_owned()).or_default();
    }

    pub(super) fn fail(&mut self, id: &str, reason: &'static str) {
        self.jobs.insert(id.to_owned(), Job::Failed(reason));
    }

    /// Ends a job that is under way still; one that was forgotten stays so.
    pub(super) fn end(&mut self, id: &str, made: Option<(String, Output)>) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        let Some((file_name, output)) = made else {
            *job = Job::Failed("Generation failed");
            return;
        };
        *job = Job::Completed(file_name.clone());
        self.put(id, file_name, output);
    }

    /// Makes a directory with one file in it.
    pub(super) fn open(&mut self, id: &str, file_name: String, output: Output) {
        self.outputs.insert(id.to_owned(), BTreeMap::from([(file_name, output)]));
    }

    /// Puts a file where a directory is.
    pub(super) fn put(&mut self, id: &str, file_name: String, output: Output) {
        if let Some(files) = self.outputs.get_mut(id) {
            files.insert(file_name, output);
        }
    }

    pub(super) fn files(&self, id: &str) -> Option<&BTreeMap<String, Output>> {
        self.outputs.get(id)
    }

    /// Says how a job stands; nothing, if it was never generated.
    pub(super) fn look_at(&mut self, id: &str) -> Option<Value> {
        Some(match self.jobs.get_mut(id)? {
            Job::UnderWay(looks) => {
                let next = (*looks + 1).min(STAGES.len() - 1);
                let (status, progress, step) = STAGES[mem::replace(looks, next)];
                json!({ "progress": progress, "status": status, "step": step })
            }
            Job::Failed(reason) => json!({ "error": reason, "status": "failed" }),
            Job::Completed(file_name) => json!({
                "download_url": format!("/api/download/{id}/{file_name}"),
                "output_file": file_name,
                "progress": 100,
                "quality_metrics": {
                    "overall_score": 0.9, "printable": true, "quality_grade": "A",
                },
                "status": "completed",
                "step": "3D model generation complete!",
            }),
        })
    }
}

/// How much its own cache may hold.
#[derive(Debug, Clone)]
pub(super) struct CacheLimits {
    pub(super) items_max: Value,
    pub(super) memory_mb_max: Value,
}

impl Default for CacheLimits {
    fn default() -> Self {
        Self { items_max: 1000.into(), memory_mb_max: 512.0.into() }
    }
}

impl CacheLimits {
    pub(super) fn change(&mut self, items: Option<&Value>, memory_mb: Option<&Value>) {
        self.items_max = items.unwrap_or(&self.items_max).clone();
        self.memory_mb_max = memory_mb.unwrap_or(&self.memory_mb_max).clone();
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "default_ttl_seconds": 86_400,
            "max_memory_mb": self.memory_mb_max,
            "max_size": self.items_max,
        })
    }
}
