// SPDX-License-Identifier: GPL-3.0-or-later
// The matrix of SEAMCALLs as text, CSV, JSON and HTML (`mirrorscope seamcalls --matrix`).
#pragma once

#include "tdx/matrix/matrix.h"

#include <span>
#include <string>

namespace mirrorscope {

enum class MatrixFormat : u8 { Text, Csv, Json, Html };
std::string matrixText(std::span<const MatrixCell> cells, MatrixFormat format);

} // namespace mirrorscope
