// SPDX-License-Identifier: GPL-3.0-or-later
// Which sanitizer this file is compiled with: MIRRORSCOPE_ASAN, MIRRORSCOPE_TSAN. gcc and clang say so in words of their own.
#pragma once

#if defined(__SANITIZE_ADDRESS__)
#define MIRRORSCOPE_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define MIRRORSCOPE_TSAN 1
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MIRRORSCOPE_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define MIRRORSCOPE_TSAN 1
#endif
#endif

namespace mirrorscope {

// Is there one in the program? (It need not see this file: core/CMakeLists.txt.)
#ifdef MIRRORSCOPE_SANITIZED
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

} // namespace mirrorscope
