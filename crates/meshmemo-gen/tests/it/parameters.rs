//! A parameter out of range is refused before the image is looked at.

use meshmemo_gen::{Parameters, relief::GenerateErrorKind};

use crate::solid::{generate, quality};

#[test]
fn a_parameter_out_of_range_is_named() {
    let cases = [
        ("quality", quality(0)),
        ("width_mm", Parameters { width_mm: 0.5, ..Parameters::default() }),
        ("height_mm", Parameters { height_mm: f64::NAN, ..Parameters::default() }),
        ("depth_mm", Parameters { depth_mm: 2001.0, ..Parameters::default() }),
    ];
    for (field, parameters) in cases {
        let error = generate(b"no image", &parameters).unwrap_err();
        let GenerateErrorKind::InvalidParameter(cause) = error.kind() else {
            panic!("{error}");
        };
        assert_eq!(cause.field, field);
        assert_eq!(error.to_string(), cause.to_string());
    }
}
