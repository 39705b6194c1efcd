//! The web kit: frame, forms, components, errors, security headers. Knows no feature.
