//! Which instruction set runs.

/// An instruction set this crate has a back end for.
///
/// All give the same bits; they differ in speed only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Isa {
    /// AVX-512 with VNNI.
    Avx512,
    /// AVX2 with FMA and F16C.
    Avx2,
    /// 64-bit ARM.
    Neon,
    /// Plain Rust.
    Portable,
}

impl Isa {
    /// Every instruction set, fastest first.
    pub const ALL: [Isa; 4] = [Isa::Avx512, Isa::Avx2, Isa::Neon, Isa::Portable];

    /// The fastest this machine has.
    #[must_use]
    pub fn detect() -> Isa {
        Isa::ALL
            .into_iter()
            .find(|isa| isa.is_available())
            .unwrap_or(Isa::Portable)
    }

    /// Whether this machine has it.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vnni")
                    && Isa::Avx2.is_available()
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => {
                is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("fma")
                    && is_x86_feature_detected!("f16c")
            }
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => std::arch::is_aarch64_feature_detected!("neon"),
            Isa::Portable => true,
            _ => false,
        }
    }

    /// Its name, as logs and digests spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Isa::Avx512 => "avx512",
            Isa::Avx2 => "avx2",
            Isa::Neon => "neon",
            Isa::Portable => "portable",
        }
    }
}

/// Calls a function that is generic over the back end with the one `isa` names.
///
/// INVARIANT: `isa` was found available, so what is called may enable its instruction set.
macro_rules! with_backend {
    ($isa:expr, $function:ident::<_ $(, $more:ty)*>($($arg:expr),* $(,)?)) => {
        match $isa {
            #[cfg(target_arch = "x86_64")]
            $crate::Isa::Avx512 => $function::<$crate::arch::Avx512 $(, $more)*>($($arg),*),
            #[cfg(target_arch = "x86_64")]
            $crate::Isa::Avx2 => $function::<$crate::arch::Avx2 $(, $more)*>($($arg),*),
            #[cfg(target_arch = "aarch64")]
            $crate::Isa::Neon => $function::<$crate::arch::Neon $(, $more)*>($($arg),*),
            _ => $function::<$crate::arch::Portable $(, $more)*>($($arg),*),
        }
    };
}
pub(crate) use with_backend;
