export { Engine, type EngineObserver, type EngineOptions, type EngineRound } from './engine.ts';
export {
  type Decision,
  explain,
  type Schedule,
  Scheduler,
  type ScheduleView,
  type Suitability,
  schedule,
  type Unplaced,
} from './schedule.ts';
