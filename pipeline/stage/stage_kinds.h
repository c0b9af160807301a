// Every stage there is, each defined in its own file. For stage_table.cc.
#pragma once

#include "pipeline/stage/stage_table.h"

namespace pipeline {

extern const StageKind kCriStage;
extern const StageKind kDecolorizeStage;
extern const StageKind kDedupStage;
extern const StageKind kDockerStage;
extern const StageKind kDropStage;
extern const StageKind kEventLogMessageStage;
extern const StageKind kGeoipStage;
extern const StageKind kJsonStage;
extern const StageKind kLabelDropStage;
extern const StageKind kLabelKeepStage;
extern const StageKind kLabelsStage;
extern const StageKind kLimitStage;
extern const StageKind kLogfmtStage;
extern const StageKind kLuhnStage;
extern const StageKind kMatchStage;
extern const StageKind kMetricsStage;
extern const StageKind kMultilineStage;
extern const StageKind kOutputStage;
extern const StageKind kPackStage;
extern const StageKind kPatternStage;
extern const StageKind kRedactStage;
extern const StageKind kRegexStage;
extern const StageKind kReplaceStage;
extern const StageKind kSamplingStage;
extern const StageKind kSplitJsonStage;
extern const StageKind kStaticLabelsStage;
extern const StageKind kStructuredMetadataStage;
extern const StageKind kStructuredMetadataDropStage;
extern const StageKind kTemplateStage;
extern const StageKind kTenantStage;
extern const StageKind kTimestampStage;
extern const StageKind kTruncateStage;
extern const StageKind kWindowsEventStage;

}  // namespace pipeline
