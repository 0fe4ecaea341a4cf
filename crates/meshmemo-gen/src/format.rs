//! The model formats that meshmemo writes. GLB is the canonical one; the others derive from it.

use std::{fmt, str::FromStr};

use crate::FieldError;

/// A 3D model file format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Format {
    /// Binary glTF 2.0: textured, in metres, the canonical variant.
    #[default]
    Glb,
    /// Binary STL: the shape alone, in millimetres.
    Stl,
    /// Wavefront OBJ: text with colours per vertex, in millimetres.
    Obj,
    /// Binary little-endian PLY: colours per vertex, in millimetres.
    Ply,
}

impl Format {
    /// Every format, the default one first.
    pub const ALL: [Self; 4] = [Self::Glb, Self::Stl, Self::Obj, Self::Ply];

    /// Returns the name as it is written in requests: `glb`, `stl`, `obj` or `ply`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Glb => "glb",
            Self::Stl => "stl",
            Self::Obj => "obj",
            Self::Ply => "ply",
        }
    }

    /// Returns the file extension, without the dot.
    pub const fn extension(self) -> &'static str {
        self.as_str()
    }

    /// Returns the media type that answers carry in `Content-Type`.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Glb => "model/gltf-binary",
            Self::Stl => "model/stl",
            Self::Obj => "model/obj",
            Self::Ply => "application/octet-stream",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl FromStr for Format {
    type Err = FieldError;

    fn from_str(text: &str) -> Result<Self, FieldError> {
        Self::ALL
            .into_iter()
            .find(|format| format.as_str() == text)
            .ok_or_else(|| FieldError::new("format", text, "one of glb, stl, obj, ply"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_found_by_its_name() {
        for format in Format::ALL {
            assert_eq!(format.as_str().parse::<Format>().unwrap(), format);
        }
    }

    #[test]
    fn an_unknown_format_is_named_together_with_the_choices() {
        let error = "fbx".parse::<Format>().unwrap_err();
        assert_eq!(error.to_string(), "`format` is fbx, but must be one of glb, stl, obj, ply");
    }
}
