// SPDX-License-Identifier: GPL-3.0-or-later
// A scenario on paper: its story, the moments that its notes speak of, each with the trees as they are there, its questions, and on the
// last page their answers.
#pragma once

#ifndef Q_MOC_RUN // moc 6.4 cannot parse the concepts of libstdc++
#include "session/session.h"
#endif

#include <string>

namespace mirrorscope::views {

// Of what lies between these positions. Moves the session and puts it back; throws std::runtime_error.
void writeHandout(Session& session, u64 from, u64 to, const std::string& file);

// What exportTable() leaves to who can draw.
void writePainted(Session& session, std::string_view kind, std::pair<u64, u64> range, const std::string& file);

} // namespace mirrorscope::views
