// Every stage there is, each defined in its own file. For stage_table.cc.
#pragma once

#include "pipeline/stage/stage_table.h"

namespace pipeline {

extern const StageKind kCriStage;
extern const StageKind kDockerStage;
extern const StageKind kDropStage;
extern const StageKind kJsonStage;
extern const StageKind kLabelDropStage;
extern const StageKind kLabelKeepStage;
extern const StageKind kLabelsStage;
extern const StageKind kMatchStage;
extern const StageKind kMultilineStage;
extern const StageKind kOutputStage;
extern const StageKind kRedactStage;
extern const StageKind kRegexStage;
extern const StageKind kStaticLabelsStage;
extern const StageKind kTemplateStage;
extern const StageKind kTimestampStage;

}  // namespace pipeline
