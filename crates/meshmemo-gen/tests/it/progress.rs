//! Progress goes forward only, and the caller can stop the work.

use std::ops::ControlFlow;

use meshmemo_gen::relief::{self, GenerateErrorKind, Step};

use crate::solid::{photo, quality};

#[test]
fn progress_rises_from_zero_to_one_through_every_step() {
    for name in ["horse.png", "coffee.png"] {
        let mut reports = Vec::new();
        relief::generate(&photo(name), &quality(2), &mut |progress| {
            reports.push(progress);
            ControlFlow::Continue(())
        })
        .unwrap();
        let fractions: Vec<f32> = reports.iter().map(|report| report.fraction).collect();
        assert!(fractions.is_sorted(), "{fractions:?}");
        assert_eq!((fractions[0], *fractions.last().unwrap()), (0.0, 1.0));
        let mut steps: Vec<Step> = reports.iter().map(|report| report.step).collect();
        steps.dedup();
        let expected = [Step::Decode, Step::Height, Step::Mesh, Step::Texture, Step::Write];
        assert_eq!(steps, expected, "{name}");
    }
}

#[test]
fn the_caller_can_stop_the_work_at_every_report() {
    let photo = photo("horse.png");
    for reports in 1.. {
        let mut left = reports;
        let result = relief::generate(&photo, &quality(1), &mut |_| {
            left -= 1;
            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        match result {
            Err(error) => assert_eq!(*error.kind(), GenerateErrorKind::Cancelled),
            Ok(_) => return assert!(reports > 10, "there were only {reports} reports"),
        }
    }
}
