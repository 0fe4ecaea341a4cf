//! Marching squares: the flat triangles of a silhouette, with the outline between grid points.
//!
//! Invariants, which make the inflated solid closed: each grid edge that the outline crosses has
//! one vertex, shared by its two cells; the outline passes each such vertex once; where two inside
//! corners of a cell face each other diagonally they are always separated, so that the outline
//! never touches itself; each triangle has an inside corner.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a grid has at most a few million points"
)]

use super::silhouette::{Silhouette, crossing};

/// Marks a grid point or a grid edge that has no vertex.
const NONE: u32 = u32::MAX;

/// The triangles of a silhouette in the plane.
pub(super) struct Outline {
    /// Positions in cells from the grid's top left point.
    pub(super) points: Vec<[f32; 2]>,
    /// How many points are inside; they come first, in the grid's order, and the points of the
    /// outline follow.
    pub(super) inside_count: usize,
    /// The grid index of each inside point.
    pub(super) grid_indices: Vec<u32>,
    /// Triangles, anticlockwise for somebody who looks at the photo.
    pub(super) triangles: Vec<[u32; 3]>,
}

impl Outline {
    /// Traces a silhouette.
    pub(super) fn trace(silhouette: &Silhouette) -> Self {
        let (width, height) = (silhouette.field.width, silhouette.field.height);
        let mut tracer = Tracer::new(silhouette);
        for y in 0..height - 1 {
            for x in 0..width - 1 {
                tracer.cell(x, y);
            }
        }
        tracer.outline
    }
}

/// An outline that grows cell by cell.
struct Tracer<'a> {
    silhouette: &'a Silhouette,
    /// The vertex of each grid point.
    inside: Vec<u32>,
    /// The vertex on the grid edge from each point to the right.
    across: Vec<u32>,
    /// The vertex on the grid edge from each point downwards.
    down: Vec<u32>,
    outline: Outline,
}

impl<'a> Tracer<'a> {
    fn new(silhouette: &'a Silhouette) -> Self {
        let field = &silhouette.field;
        let mut outline =
            Outline { points: vec![], inside_count: 0, grid_indices: vec![], triangles: vec![] };
        let mut inside = vec![NONE; field.values.len()];
        for y in 0..field.height {
            for x in 0..field.width {
                if silhouette.is_inside(x, y) {
                    let index = y * field.width + x;
                    inside[index] = outline.points.len() as u32;
                    outline.points.push([x as f32, y as f32]);
                    outline.grid_indices.push(index as u32);
                }
            }
        }
        outline.inside_count = outline.points.len();
        let edges = vec![NONE; field.values.len()];
        Self { silhouette, inside, across: edges.clone(), down: edges, outline }
    }

    /// Adds the triangles of the cell whose top left point is `(x, y)`.
    fn cell(&mut self, x: usize, y: usize) {
        // Anticlockwise for the viewer, as y points down.
        let corners = [(x, y), (x, y + 1), (x + 1, y + 1), (x + 1, y)];
        let is_inside = corners.map(|(x, y)| self.silhouette.is_inside(x, y));
        match (is_inside, is_inside.iter().filter(|&&inside| inside).count()) {
            (_, 0) => {}
            ([true, false, true, false], _) => {
                self.polygon(corners, is_inside, 0, 1);
                self.polygon(corners, is_inside, 2, 1);
            }
            ([false, true, false, true], _) => {
                self.polygon(corners, is_inside, 1, 1);
                self.polygon(corners, is_inside, 3, 1);
            }
            (_, 3) => {
                // The fan starts opposite to the outside corner, so that each triangle has an
                // inside one.
                let outside = (0..4).find(|&corner| !is_inside[corner]).unwrap_or(0);
                self.polygon(corners, is_inside, (outside + 2) % 4, 4);
            }
            _ => {
                let start = (0..4).find(|&corner| is_inside[corner]).unwrap_or(0);
                self.polygon(corners, is_inside, start, 4);
            }
        }
    }

    /// Adds the part of a cell that `corner_count` corners from `start` on enclose, as a fan.
    fn polygon(
        &mut self,
        corners: [(usize, usize); 4],
        is_inside: [bool; 4],
        start: usize,
        corner_count: usize,
    ) {
        let mut polygon = [NONE; 5];
        let mut count = 0;
        let mut push = |vertex: u32| {
            polygon[count] = vertex;
            count += 1;
        };
        push(self.corner(corners[start]));
        for corner in (start..start + corner_count).map(|corner| corner % 4) {
            let next = (corner + 1) % 4;
            if is_inside[corner] != is_inside[next] {
                push(self.edge(corners[corner], corners[next]));
            }
            if is_inside[next] && next != start {
                push(self.corner(corners[next]));
            }
        }
        if corner_count == 1 {
            // A lone corner is closed by the crossing on the edge before it.
            push(self.edge(corners[start], corners[(start + 3) % 4]));
        }
        for second in 1..count - 1 {
            let triangle = [polygon[0], polygon[second], polygon[second + 1]];
            self.outline.triangles.push(triangle);
        }
    }

    fn corner(&self, (x, y): (usize, usize)) -> u32 {
        self.inside[y * self.silhouette.field.width + x]
    }

    /// Returns the vertex where the outline crosses the edge between two corners of a cell.
    fn edge(&mut self, from: (usize, usize), to: (usize, usize)) -> u32 {
        let (first, second) = (from.min(to), from.max(to));
        let field = &self.silhouette.field;
        let index = first.1 * field.width + first.0;
        let slot =
            if first.1 == second.1 { &mut self.across[index] } else { &mut self.down[index] };
        if *slot == NONE {
            *slot = self.outline.points.len() as u32;
            let (start, end) = (field.at(first.0, first.1), field.at(second.0, second.1));
            let share = if start > 0.0 { crossing(start, end) } else { 1.0 - crossing(end, start) };
            let mix = |from: usize, to: usize| from as f32 + (to - from) as f32 * share;
            self.outline.points.push([mix(first.0, second.0), mix(first.1, second.1)]);
        }
        *slot
    }
}
