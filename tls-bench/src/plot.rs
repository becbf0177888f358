//! Ours beside the best of the others, as bars around 1.

use std::fmt::Write as _;

use crate::statistics::Row;

pub(crate) fn ratios(rows: &[Row]) -> String {
    let rows: Vec<_> = rows.iter().filter_map(|row| Some((row, row.ratio?))).collect();
    let most = rows.iter().map(|(_, ratio)| ratio.most).fold(2.0, f64::max);
    let scale = BAR / most;
    let height = TOP + rows.len() as f64 * STEP + BOTTOM;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"10\" y=\"20\" font-size=\"14\" font-weight=\"bold\">Handfast to the best of the others; more is \
         better</text>\n"
    );
    for (index, (row, ratio)) in rows.iter().enumerate() {
        let top = TOP + index as f64 * STEP;
        let (middle, width) = (top + THICK / 2.0, ratio.median * scale);
        let (from, to) = (LEFT + ratio.least * scale, LEFT + ratio.most * scale);
        let colour = if ratio.median >= 1.0 { "#2f6f9f" } else { "#b06030" };
        // Writing to a string does not fail.
        let _ = writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n\
             <rect x=\"{LEFT}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{THICK}\" fill=\"{colour}\"/>\n\
             <line x1=\"{from:.1}\" x2=\"{to:.1}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\" stroke=\"#000000\"/>\n\
             <text x=\"{:.1}\" y=\"{:.1}\">{:.2}</text>",
            LEFT - 8.0,
            middle + 4.0,
            row.name,
            to + 6.0,
            middle + 4.0,
            ratio.median
        );
    }
    let one = LEFT + scale;
    let _ = writeln!(
        svg,
        "<line x1=\"{one:.1}\" x2=\"{one:.1}\" y1=\"{TOP}\" y2=\"{:.1}\" stroke=\"#888888\" \
         stroke-dasharray=\"4 3\"/>\n<text x=\"10\" y=\"{:.1}\" fill=\"#666666\">Median of the rounds; the line is \
         least to most.</text>\n</svg>",
        height - BOTTOM,
        height - 10.0
    );
    svg
}

const WIDTH: f64 = 760.0;
const LEFT: f64 = 150.0;
const BAR: f64 = 540.0;
const TOP: f64 = 36.0;
const STEP: f64 = 24.0;
const THICK: f64 = 16.0;
const BOTTOM: f64 = 30.0;
