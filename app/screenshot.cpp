#include "command.h"
namespace mirrorscope::app { void addScreenshot(CLI::App&, Invocation&) {} }
