import { answerParent } from '../remote.js';
import { Herd } from './herd.js';

answerParent(new Herd());
