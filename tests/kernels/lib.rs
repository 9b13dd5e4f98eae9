//! Nothing in here: the kernels are measured in `benches`.
