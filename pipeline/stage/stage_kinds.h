// Every stage there is, each defined in its own file. For stage_table.cc.
#pragma once

#include "pipeline/stage/stage_table.h"

namespace pipeline {

extern const StageKind kCriStage, kDockerStage, kJsonStage, kRegexStage, kLabelsStage, kStaticLabelsStage,
    kLabelDropStage, kLabelKeepStage, kTimestampStage, kOutputStage, kDropStage, kMatchStage;

}  // namespace pipeline
