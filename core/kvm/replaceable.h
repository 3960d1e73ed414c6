// SPDX-License-Identifier: GPL-3.0-or-later
// A member function for which another function can stand.
#pragma once

namespace mirrorscope {

template <auto kHonest>
class Replaceable;

template <class C, class R, class... A, R (C::*kHonest)(A...)>
class Replaceable<kHonest> {
public:
    using Function = R (*)(C&, A...);
    R operator()(C& c, A... a) const { return other_ != nullptr ? other_(c, a...) : (c.*kHonest)(a...); }
    void operator=(Function other) { other_ = other; }

private:
    Function other_ = nullptr;
};

template <class C, class R, class... A, R (C::*kHonest)(A...) const>
class Replaceable<kHonest> {
public:
    using Function = R (*)(const C&, A...);
    R operator()(const C& c, A... a) const { return other_ != nullptr ? other_(c, a...) : (c.*kHonest)(a...); }
    void operator=(Function other) { other_ = other; }

private:
    Function other_ = nullptr;
};

} // namespace mirrorscope
